"""What people type as the values of options: numbers, names, and pairs; what is none of these is refused."""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_batchscore.errors import InputError


class CommandLineError(InputError):
    """Options contradict each other, or the value of one cannot be read."""


def pairs(texts: Sequence[str], option: str) -> Mapping[str, str]:
    """``name=value`` texts as a mapping. Raises CommandLineError for one without ``=``, and for a name given twice."""
    split = [text.partition("=") for text in texts]
    for text, (name, equals, _) in zip(texts, split, strict=True):
        if not (name and equals):
            raise CommandLineError(f"{option} {text!r}: write NAME=VALUE")
    twice = [name for name, count in Counter(name for name, _, _ in split).items() if count > 1]
    if twice:
        raise CommandLineError(f"{option} {twice[0]}= is given twice: give each name once")
    return {name: value for name, _, value in split}


def flags(texts: Sequence[str]) -> Mapping[str, str]:
    """``name=condition`` texts as a mapping. Raises CommandLineError for a condition without a name."""
    for text in texts:
        if not re.fullmatch(r"[^<>=]+=[^=].*", text, re.DOTALL):
            raise CommandLineError(f"--flag {text!r}: write NAME=CONDITION, such as odd='decision_function<0'")
    return pairs(texts, "--flag")


def request(texts: Sequence[str] | None) -> object:
    """What all ``--partitions`` ask for together; None if there is none."""
    if texts is None or len(texts) == 1:
        return texts and texts[0]
    return [f"[{text}]" if text.lstrip().startswith("{") else text for text in texts]  # among others, JSON is a list


def value(text: str) -> Any:
    """JSON (true, 3, ["NA", "-"]) or, if it is none, the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def names(text: str) -> list[str]:
    """Names with commas between them."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError("write names with commas between them: a,b")
    return found


def limit(text: str) -> tuple[str, str]:
    """``accuracy>=0.9`` as metric and limit."""
    match = re.fullmatch(r"\s*([^<>=\s]+)\s*((?:>=|<=|==|>|<).+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}: write a metric, a comparison and a number: 'accuracy>=0.9'")
    return match[1], match[2]


def number(text: str) -> int | float:
    """A count or a share of rows."""
    if text.isdecimal():
        return int(text)
    found = _float(text)
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a count (1000) nor a share (0.01)")
    return found


def count(text: str) -> int:
    """A whole number from 1."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def amount(text: str) -> float:
    """A number from 0."""
    found = _float(text)
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0")
    return found


def share(text: str) -> float:
    """A number from 0 to 1."""
    found = _float(text)
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return found


def part(text: str) -> float:
    """A number above 0, up to 1."""
    found = _float(text)
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to 1")
    return found


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
