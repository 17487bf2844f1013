"""Values of options: what is read of them, and what is refused, with a word of what to write."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from airflow_batchscore.cli import typed
from airflow_batchscore.cli.typed import CommandLineError

pytestmark = pytest.mark.unit


def test_pairs_need_a_name_and_a_value() -> None:
    assert typed.pairs(["a=b=c", "d="], "--x") == {"a": "b=c", "d": ""}
    with pytest.raises(CommandLineError, match="--x '=b': write NAME=VALUE"):
        typed.pairs(["=b"], "--x")


def test_a_name_that_is_given_twice_is_refused_and_named() -> None:
    with pytest.raises(CommandLineError, match="--x a= is given twice: give each name once"):
        typed.pairs(["a=1", "b=1", "a=2"], "--x")
    with pytest.raises(CommandLineError, match="--flag a= is given twice"):
        typed.flags(["a=p>1", "a=p>2"])


def test_a_flag_needs_a_name_and_a_condition() -> None:
    assert typed.flags(["odd=decision_function<0", "even=p==1"]) == {"odd": "decision_function<0", "even": "p==1"}
    for text in ("x>3", "x>=3", "x==3", "=x>3", "x="):
        with pytest.raises(CommandLineError, match="write NAME=CONDITION, such as odd='decision_function<0'"):
            typed.flags([text])


def test_partitions_that_are_named_apart_are_asked_for_together() -> None:
    assert typed.request(None) is None
    assert typed.request(["0..2"]) == "0..2"
    assert typed.request(["0..2", "[4, 5]", '{"p": "6"}']) == ["0..2", "[4, 5]", '[{"p": "6"}]']


def test_values_of_reading_options_are_json_or_text() -> None:
    assert [typed.value(text) for text in ("true", "3", '["NA"]', ";")] == [True, 3, ["NA"], ";"]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (typed.number, "1000", 1000),
        (typed.number, "0", 0),
        (typed.number, "1e-5", 1e-5),
        (typed.count, "1", 1),
        (typed.amount, "2.5", 2.5),
        (typed.share, "0", 0.0),
        (typed.share, "1", 1.0),
        (typed.part, "0.5", 0.5),
        (typed.names, "a, b", ["a", "b"]),
        (typed.limit, "accuracy >= 0.9", ("accuracy", ">= 0.9")),
    ],
)
def test_what_is_read(kind: Callable[[str], object], text: str, expected: object) -> None:
    found = kind(text)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (typed.number, ["-1", "1.5", "nan", "few"], "neither a count .1000. nor a share .0.01."),
        (typed.count, ["0", "-1", "1.5", "many"], "no whole number from 1"),
        (typed.amount, ["-1", "nan", "inf", "x"], "no number from 0"),
        (typed.share, ["-0.1", "5", "nan", "x"], "no number from 0 to 1"),
        (typed.part, ["0", "2", "nan", "x"], "no number above 0 and up to 1"),
        (typed.names, ["a,,b", ""], "write names with commas between them"),
        (typed.limit, ["accuracy", ">=0.9"], "write a metric, a comparison and a number"),
    ],
)
def test_what_is_refused(kind: Callable[[str], object], wrong: list[str], message: str) -> None:
    for text in wrong:
        with pytest.raises(argparse.ArgumentTypeError, match=message):
            kind(text)
