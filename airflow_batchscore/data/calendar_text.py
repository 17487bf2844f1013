"""Days, months, ISO weeks, quarters and hours as people write them in names: read, count, write in the same form."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime

from airflow_batchscore.errors import InputError

_YEAR = r"(?P<year>\d{4})"
_DAY = _YEAR + r"(?P<dash>[-_]?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
_FORMS = {
    unit: re.compile(form, re.ASCII)
    for unit, form in {
        "year": _YEAR,
        "month": _YEAR + r"(?P<dash>[-_]?)(?P<month>\d\d)",
        "quarter": _YEAR + r"(?P<dash>[-_]?)(?P<letter>[Qq])(?P<quarter>\d)",
        "week": _YEAR + r"(?P<dash>[-_]?)(?P<letter>[Ww])(?P<week>\d\d)",
        "day": _DAY,
        "hour": _DAY + r"(?P<letter>[Tt _-]?)(?P<hour>\d\d)",
    }.items()
}
_LIMITS = {"month": "months are 01 to 12", "quarter": "quarters are Q1 to Q4", "hour": "hours are 00 to 23"}
#: The numbers that a unit is made of.
_PARTS = {
    "year": ("year",),
    "month": ("year", "month"),
    "quarter": ("year", "quarter"),
    "week": ("year", "week"),
    "day": ("year", "month", "day"),
    "hour": ("year", "month", "day", "hour"),
}
#: Digits alone that may be a time: their length -> the unit.
DIGITS = {6: "month", 8: "day", 10: "hour"}
#: Digits alone are a time only within these years; `200` months of a year 1999 are as likely ids.
YEARS = range(1900, 2200)


@dataclass(frozen=True)
class Time:
    """A unit of time in the form in which it was written.

    Attributes:
        unit: year, month, quarter, week (ISO 8601), day or hour.
        number: consecutive units have consecutive numbers.
        dash, letter: what stands between its parts.
    """

    unit: str
    number: int
    dash: str = ""
    letter: str = ""

    def at(self, number: int) -> str:
        """Another unit in the same form."""
        parts = parts_of(self.unit, number)
        if self.unit in ("quarter", "week"):
            width = 1 if self.unit == "quarter" else 2
            return f"{parts[0]:04}{self.dash}{self.letter}{parts[1]:0{width}}"
        days = self.dash.join([f"{parts[0]:04}", *(f"{part:02}" for part in parts[1:3])])
        return f"{days}{self.letter}{parts[3]:02}" if self.unit == "hour" else days

    @property
    def form(self) -> tuple[str, str, str]:
        return self.unit, self.dash, self.letter


def read_time(text: str) -> Time | None:
    """The time that a text names; None if it has no form of one.

    Raises InputError for one that no calendar has, such as 2026-02-31.
    """
    for unit, form in _FORMS.items():
        if match := form.fullmatch(text):
            named = match.groupdict()
            parts = [int(named[part]) for part in _PARTS[unit]]
            try:
                return Time(unit, number_of(unit, parts), named.get("dash", ""), named.get("letter", ""))
            except ValueError:
                raise InputError(f"there is no {unit} {text}: {_limit(unit, parts)}") from None
    return None


def is_time(digits: str) -> bool:
    """Whether digits alone (``20260130``) name a month, a day or an hour."""
    unit = DIGITS.get(len(digits))
    if unit is None or not (digits.isascii() and digits.isdigit()) or int(digits[:4]) not in YEARS:
        return False
    parts = [int(digits[:4]), *(int(digits[place : place + 2]) for place in range(4, len(digits), 2))]
    try:
        return number_of(unit, parts) > 0
    except ValueError:
        return False


def number_of(unit: str, parts: list[int]) -> int:
    """`Time.number` of a unit: the year and what follows. Raises ValueError if no calendar has it."""
    year, *rest = parts
    if unit in ("month", "quarter"):
        size = 12 if unit == "month" else 4
        if not (year >= 1 and 1 <= rest[0] <= size):
            raise ValueError(unit)
        return year * size + rest[0] - 1
    if unit == "week":
        monday = date.fromisocalendar(year, rest[0], 1).toordinal()
        if monday + 6 > date.max.toordinal():
            raise ValueError(unit)
        return monday // 7
    if unit == "year":
        return date(year, 1, 1).year
    day = date(year, rest[0], rest[1]).toordinal()
    if unit == "day":
        return day
    if rest[2] > 23:
        raise ValueError(unit)
    return day * 24 + rest[2]


def parts_of(unit: str, number: int) -> tuple[int, ...]:
    """The inverse of `number_of`."""
    if unit == "year":
        return (number,)
    if unit in ("month", "quarter"):
        year, rest = divmod(number, 12 if unit == "month" else 4)
        return year, rest + 1
    if unit == "week":
        return date.fromordinal(number * 7 + 1).isocalendar()[:2]
    day = date.fromordinal(number // 24 if unit == "hour" else number)
    return (day.year, day.month, day.day, *([number % 24] if unit == "hour" else []))


def begins(unit: str, number: int) -> float:
    """When a unit begins: seconds since 1970, UTC."""
    unit, number, _ = within(unit, number, number)
    year, *rest = parts_of(unit, number)
    month, day, hour = (*rest, *(1, 1, 0)[len(rest) :])
    return datetime(year, month, day, hour, tzinfo=UTC).timestamp()


def within(unit: str, first: int, last: int) -> tuple[str, int, int]:
    """Quarters as months and weeks as days: unit, first and last number. Other units stay."""
    if unit == "quarter":
        return "month", first * 3, last * 3 + 2
    if unit == "week":
        return "day", first * 7 + 1, last * 7 + 7
    return unit, first, last


def _limit(unit: str, parts: list[int]) -> str:
    year, *rest = parts
    if year < 1:
        return "years begin with 0001"
    if unit == "week":
        return f"{year} has the weeks W01 to W{date(year, 12, 28).isocalendar()[1] - (year == date.max.year)}"
    if unit in ("day", "hour") and not 1 <= rest[0] <= 12:
        return _LIMITS["month"]
    if unit in ("day", "hour") and not 1 <= rest[1] <= (days := monthrange(year, rest[0])[1]):
        return f"{year:04}-{rest[0]:02} has {days} days"
    return _LIMITS[unit]
