"""Which version of a table: a number, a time, or a name."""

from __future__ import annotations

from datetime import UTC, datetime


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
