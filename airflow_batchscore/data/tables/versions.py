"""Which version of a table: a number, a time, or a name; and how a plan holds all tasks to what it saw."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_PIN = re.compile(r"(\d+)@(.+)", re.ASCII)


def parsed(version: str) -> int | datetime | str | None:
    """A number (Delta's version, Iceberg's snapshot), a time (UTC unless it says otherwise), a name; None: newest."""
    text = version.strip()
    if not text or text == "None":  # what a template without a value becomes
        return None
    if text.isdecimal() and text.isascii():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def pin(version: object, mark: object) -> str:
    """A version by its number, and a mark of what the number alone does not tell."""
    return f"{version}@{mark}"


def split_pin(version: str) -> tuple[str, str]:
    """A version, and its mark if it is one from `pin`; else an empty text."""
    found = _PIN.fullmatch(version.strip())
    return (found[1], found[2]) if found else (version, "")
