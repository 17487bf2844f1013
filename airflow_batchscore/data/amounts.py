"""Durations, sizes and numbers of things as people read them, in logs, messages and reports."""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 5 min`; from three days on `3.5 days`."""
    if seconds < 0:
        return f"-{in_words(-seconds)}"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds >= 72 * 3600:
        days = seconds / 86400
        return f"{days:.1f}".removesuffix(".0") + " days" if days < 10 else f"{days:,.0f} days"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def in_bytes(size: float) -> str:
    """`17 B`, `3.1 GB`: powers of 1000."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}" if size < 999.5 else f"{size:,.0f} {units[0]}"


def number_of(count: int, noun: str) -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
