"""`Periods`: which field of a dataset's partitions is a time or a number, so that one comes after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

#: Fields that are a time together, the year among them.
_PARTS = ("year", "month", "day", "hour")
#: Ways to write a time: year, month, day and hour.
_FORMS = (
    r"((?:19|20)\d\d)",
    r"(\d{4})-(\d\d)",
    r"((?:19|20)\d\d)(\d\d)",
    r"(\d{4})-(\d\d)-(\d\d)",
    r"((?:19|20)\d\d)(\d\d)(\d\d)",
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d)",
    r"((?:19|20)\d\d)(\d\d)(\d\d)(\d\d)",
)
#: Share of the partitions that must have the order, of so many that are looked at.
_MOST, _LOOKED_AT = 0.9, 1000


@dataclass(frozen=True)
class Periods:
    """The order of partitions.

    Attributes:
        fields: that make it.
        form: a regular expression, whose groups are a year, month, ...; None for parts of a time, and for numbers.
        are_times: whether `order` is in seconds since 1970 (UTC, at the beginning of the period).
    """

    fields: tuple[str, ...]
    form: str | None
    are_times: bool

    @classmethod
    def of(cls, each: Sequence[Mapping[str, str]]) -> Periods | None:
        """From the values of all partitions; None if no field has an order.

        A few odd ones (``day=latest``) do not count. Of very many partitions some are looked at.
        """
        if not each:
            return None
        each = each[:: max(1, len(each) // _LOOKED_AT)]
        parts = tuple(name for name in each[0] if name.lower() in _PARTS)
        if any(name.lower() == "year" for name in parts) and len(parts) > 1:
            found = cls(parts, None, are_times=True)
            if found._is_of_most(each):
                return found
        for name in reversed(list(each[0])):
            for form in _FORMS:
                found = cls((name,), form, are_times=True)
                if found._is_of_most(each):
                    return found
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
        """Raises ValueError for values that are no time or number."""
        if not self.are_times:
            return float(int(values[self.fields[0]]))
        if self.form is None:
            part = {name.lower(): int(values[name]) for name in self.fields}
            return _begins(part["year"], part.get("month", 1), part.get("day", 1), part.get("hour", 0))
        found = re.fullmatch(self.form, values[self.fields[0]])
        if found is None:
            raise ValueError(values)
        return _begins(*map(int, found.groups()))

    def others(self, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """The fields that partitions share with those before them."""
        return tuple((name, value) for name, value in values.items() if name not in self.fields)


def _begins(year: int, month: int = 1, day: int = 1, hour: int = 0) -> float:
    return datetime(year, month, day, hour, tzinfo=UTC).timestamp()
