"""One date range over several fields: ``2026-01-30..2026-02-02`` for ``{year}/{month}/{day}``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from airflow_batchscore.data.calendar_text import number_of, parts_of, within
from airflow_batchscore.data.field_choice import ends_of, times_between
from airflow_batchscore.errors import InputError

#: What people call the fields of a date, from the longest unit to the shortest.
_NAMES = (("year", ("year", "yyyy")), ("month", ("month", "mm")), ("day", ("day", "dd")), ("hour", ("hour", "hh")))
_UNITS = tuple(unit for unit, _ in _NAMES)

#: Numbers of a date: year, month, day, hour, as far as there are fields.
Parts = tuple[int, ...]


def date_fields(fields: Iterable[str]) -> tuple[str, ...]:
    """Those of `fields` that make a date, from the year on; empty unless there are two or more."""
    named = {field.lower(): field for field in fields}
    found = []
    for _, names in _NAMES:
        field = next((named[name] for name in names if name in named), None)
        if field is None:
            break
        found.append(field)
    return tuple(found) if len(found) > 1 else ()


def unit_of(fields: Sequence[str]) -> str:
    """The unit that these `date_fields` name together."""
    return _UNITS[len(fields) - 1]


def parts_in(fields: Sequence[str], values: Mapping[str, str]) -> Parts | None:
    """The numbers in a partition's `date_fields`; None if they are no date."""
    texts = [values[field] for field in fields]
    if not all(len(text) <= 4 and text.isascii() and text.isdigit() for text in texts):
        return None
    return tuple(map(int, texts))


@dataclass(frozen=True)
class DateRange:
    """Consecutive days, months or hours, spread over fields.

    Attributes:
        fields: year, month, ... as far as the range says something of them.
        unit: of the last of `fields`.
        first, last: as `calendar_text` numbers them.
    """

    fields: tuple[str, ...]
    unit: str
    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[Parts]:
        return (parts_of(self.unit, number) for number in range(self.first, self.last + 1))

    def parts(self, values: Mapping[str, str]) -> Parts | None:
        """The numbers in a partition's fields; None if they are no date."""
        return parts_in(self.fields, values)

    def fits(self, values: Mapping[str, str]) -> bool:
        """Whether a partition lies in the range."""
        parts = self.parts(values)
        try:
            return parts is not None and self.first <= number_of(self.unit, list(parts)) <= self.last
        except ValueError:
            return False

    def padded(self, existing: Sequence[Mapping[str, str]]) -> list[bool]:
        """Whether numbers below 10 have two digits there, in each field behind the year."""
        small = self.fields[1:]
        by_default = _is_padded([values[field] for values in existing for field in small], default=True)
        return [_is_padded([values[field] for values in existing], default=by_default) for field in small]

    def write(self, parts: Parts, padded: Sequence[bool]) -> dict[str, str]:
        """Fields for a date that does not exist.

        Args:
            padded: see the method of that name.
        """
        small = zip(self.fields[1:], parts[1:], padded, strict=True)
        texts = {field: f"{part:02}" if two else str(part) for field, part, two in small}
        return {self.fields[0]: f"{parts[0]:04}", **texts}


def read_dates(text: str, fields: Sequence[str]) -> DateRange:
    """Read a date or a range of dates for the `date_fields` of a dataset.

    Raises InputError if it is neither, or names a shorter unit than there is a field for.
    """
    first, last = ends_of(text) or (text.strip(), text.strip())
    times = times_between(first, last)
    unit, begin, end = within(times.first.unit, times.first.number, times.last.number)
    depth = _UNITS.index(unit) + 1
    if depth > len(fields):
        raise InputError(
            f"{text} names {times.first.unit}s, and the dataset has only the fields {', '.join(fields)}: write "
            f"{unit_of(fields)}s"
        )
    return DateRange(tuple(fields[:depth]), unit, begin, end)


def is_date(text: str) -> bool:
    """Whether a text without a field's name is meant as a date or a range of dates."""
    if ends_of(text) is not None:
        return True
    choice = text.strip()
    return choice[:4].isdigit() and len(choice) >= 4 and "/" not in choice


def _is_padded(values: Sequence[str], *, default: bool) -> bool:
    """Whether numbers below 10 have two digits."""
    if any(value.startswith("0") for value in values):
        return True
    return default and not any(len(value) == 1 for value in values)
