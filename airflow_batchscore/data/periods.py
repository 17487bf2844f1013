"""`Periods`: which field of a dataset's partitions is a time or a number, so that one comes after the other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_batchscore.data.calendar_text import YEARS, Time, begins, is_time, number_of, read_time
from airflow_batchscore.data.date_fields import date_fields, parts_in, unit_of
from airflow_batchscore.errors import InputError

#: Share of the partitions that must have the order, of so many that are looked at.
_MOST, _LOOKED_AT = 0.9, 1000
#: A whole number, no longer than a name on disks.
_NUMBER = re.compile(r"-?\d{1,255}", re.ASCII)


@dataclass(frozen=True)
class Periods:
    """The order of partitions.

    Attributes:
        fields: that make it.
        form: of the times of a single field, as in `calendar_text.Time`; None for parts of a time, and for numbers.
        are_times: whether `order` is in seconds since 1970 (UTC, at the beginning of the period).
    """

    fields: tuple[str, ...]
    form: tuple[str, str, str] | None
    are_times: bool

    @classmethod
    def of(cls, each: Sequence[Mapping[str, str]]) -> Periods | None:
        """From the values of all partitions; None if no field has an order.

        A few odd ones (``day=latest``) do not count. Of very many partitions some are looked at.
        """
        if not each:
            return None
        each = each[:: max(1, len(each) // _LOOKED_AT)]
        if calendar := date_fields(each[0]):
            found = cls(calendar, None, are_times=True)
            if found._is_of_most(each):
                return found
        for name in reversed(list(each[0])):
            forms = Counter(time.form for values in each if (time := _time(values.get(name, ""))))
            for form, count in forms.most_common(1):
                if count >= _MOST * len(each):
                    return cls((name,), form, are_times=True)
        for name in reversed(list(each[0])):
            found = cls((name,), None, are_times=False)
            if found._is_of_most(each):
                return found
        return None

    def _is_of_most(self, each: Sequence[Mapping[str, str]]) -> bool:
        return sum(map(self.has_order, each)) >= _MOST * len(each)

    def has_order(self, values: Mapping[str, str]) -> bool:
        """Whether these values are times, or numbers, as those of most partitions are."""
        try:
            self.order(values)
        except (ValueError, KeyError):
            return False
        return True

    def order(self, values: Mapping[str, str]) -> float:
        """Raises ValueError for values that are no time or number, and KeyError for those of other fields."""
        if self.are_times and self.form is None:
            parts = parts_in(self.fields, values)
            if parts is None:
                raise ValueError(values)
            unit = unit_of(self.fields)
            return begins(unit, number_of(unit, list(parts)))
        text = values[self.fields[0]]
        if self.are_times:
            time = _time(text)
            if time is None or time.form != self.form:
                raise ValueError(values)
            return begins(time.unit, time.number)
        if _NUMBER.fullmatch(text) is None:
            raise ValueError(values)
        return int(text)  # no float: a number of nanoseconds has more digits than one

    def others(self, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """The fields that partitions share with those before them."""
        return tuple((name, value) for name, value in values.items() if name not in self.fields)


def _time(text: str) -> Time | None:
    """The time that a value names; None for any other, and for digits that are as likely a number."""
    if text.isascii() and text.isdigit() and not (is_time(text) or (len(text) == 4 and int(text) in YEARS)):
        return None
    try:
        return read_time(text)
    except InputError:
        return None
