"""`Periods`: which field of a dataset's partitions is a time or a number, so that one comes after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

#: Fields that are a time together, the year among them.
_PARTS = ("year", "month", "day", "hour")
#: Ways to write a time, and what they look like: `strptime` alone would take "2026-1" and "20261" for months.
_FORMS = {
    "%Y": r"(19|20)\d\d",
    "%Y-%m": r"\d{4}-\d\d",
    "%Y%m": r"(19|20)\d{4}",
    "%Y-%m-%d": r"\d{4}-\d\d-\d\d",
    "%Y%m%d": r"(19|20)\d{6}",
    "%Y-%m-%dT%H": r"\d{4}-\d\d-\d\dT\d\d",
    "%Y%m%d%H": r"(19|20)\d{8}",
}

#: Share of the partitions that must have the order, of so many that are looked at.
_MOST, _LOOKED_AT = 0.9, 1000


@dataclass(frozen=True)
class Periods:
    """The order of partitions.

    Attributes:
        fields: that make it.
        form: of `strptime`; None for parts of a time (`year`, `month`), and for numbers.
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
            return datetime(
                part["year"], part.get("month", 1), part.get("day", 1), part.get("hour", 0), tzinfo=UTC
            ).timestamp()
        text = values[self.fields[0]]
        if not re.fullmatch(_FORMS[self.form], text):
            raise ValueError(text)
        return datetime.strptime(text, self.form).replace(tzinfo=UTC).timestamp()

    def others(self, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """The fields that partitions share with those before them."""
        return tuple((name, value) for name, value in values.items() if name not in self.fields)
