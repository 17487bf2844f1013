"""What somebody asks for, and the partitions that this means once it is known what exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod

from airflow_batchscore.data.date_fields import DateRange
from airflow_batchscore.data.field_choice import FieldChoice
from airflow_batchscore.data.pattern import Values, partition_key, require_value
from airflow_batchscore.errors import InputError

#: Raises InputError if a request names so many partitions, or more than it did already.
Limit = Callable[[int], None]
_Dated = dict[tuple[object, ...], list[Values]]
#: Values that the ranges of all filters of a request may have, unless more partitions are allowed.
_MOST_WRITTEN = 1_000_000
#: How often the filters of a request may be compared with a partition: ten seconds at worst.
_MOST_COMPARED = 10_000_000


@dataclass(frozen=True)
class Existing:
    """All partitions there are, in order, and what items look up in them: made once for all items of a request."""

    partitions: Sequence[Values]
    _values: dict[str, frozenset[str]] = field(default_factory=dict)
    _dated: dict[tuple[str, ...], _Dated] = field(default_factory=dict)
    _padded: dict[tuple[str, ...], Sequence[bool]] = field(default_factory=dict)

    def values(self, name: str) -> frozenset[str]:
        """A field's values."""
        if name not in self._values:
            self._values[name] = frozenset(values[name] for values in self.partitions)
        return self._values[name]

    def dated(self, dates: DateRange, others: Sequence[str]) -> _Dated:
        """Partitions by the values of other fields and the numbers of their date."""
        key = (*dates.fields, "/", *others)
        if key not in self._dated:
            found: _Dated = {}
            for values in self.partitions:
                found.setdefault((tuple(values[name] for name in others), dates.parts(values)), []).append(values)
            self._dated[key] = found
        return self._dated[key]

    def padded(self, dates: DateRange) -> Sequence[bool]:
        """See `DateRange.padded`."""
        if dates.fields not in self._padded:
            self._padded[dates.fields] = dates.padded(self.partitions)
        return self._padded[dates.fields]


@dataclass(frozen=True)
class Item:
    """One thing asked for, such as ``country=DE/year=2020..2022``.

    Attributes:
        text: as it was written.
        choices: what is said of each field; a field that is neither here nor in `dates` may be anything.
        dates: a range over several fields.
    """

    text: str
    choices: Mapping[str, FieldChoice]
    dates: DateRange | None = None

    def is_filter(self, fields: Sequence[str]) -> bool:
        """Whether it asks for what exists, and not for certain partitions, each of which must."""
        named = {*self.choices, *(self.dates.fields if self.dates else ())}
        return named != {*fields} or any(choice.is_filter for choice in self.choices.values())

    def required(self, fields: Sequence[str], existing: Existing, limit: Limit) -> list[Values]:
        """For an item that is no filter: the partitions asked for, whether they exist or not."""
        series = {name: choice.series(existing.values(name)) for name, choice in self.choices.items()}
        limit(prod(one.count for one in series.values()) * (self.dates.count if self.dates else 1))
        made = (dict(zip(series, values, strict=True)) for values in product(*series.values()))
        found = [{name: values[name] for name in fields} for values in self._with_dates(made, existing)]
        for values in found:
            for name, value in values.items():
                require_value(name, value)
        return found

    def _with_dates(self, made: Iterator[Values], existing: Existing) -> Iterator[Values]:
        """Existing partitions of the dates, however their numbers are written, or what they would be called."""
        dates = self.dates
        if dates is None:
            yield from made
            return
        known = existing.dated(dates, list(self.choices))
        for values in made:
            for parts in dates:
                there = known.get((tuple(values.values()), parts))
                yield from there or [{**values, **dates.write(parts, existing.padded(dates))}]

    def matching(self, existing: Existing, limit: Limit) -> list[Values]:
        """For a filter: the existing partitions that it lets pass.

        Args:
            limit: of the values that its ranges have.
        """
        found = existing.partitions
        for name, choice in self.choices.items():
            if not choice.is_filter:
                series = choice.series(existing.values(name))
                limit(series.count)
                allowed = frozenset(series)
                found = [values for values in found if values[name] in allowed]
        for name, choice in self.choices.items():
            if choice.is_filter:
                found = [values for values in found if choice.fits(values[name])]
        if self.dates is not None:
            found = list(filter(self.dates.fits, found))
        return list(found)


@dataclass(frozen=True)
class Asked:
    """The partitions that a request means.

    Attributes:
        wanted: field values in the requested order; None for all.
        unmatched: filters that no existing partition passes, as they were written.
    """

    wanted: list[Values] | None
    unmatched: list[str] = field(default_factory=list)


def resolve(items: Sequence[Values | Item], fields: Sequence[str], existing: Sequence[Values], most: int) -> Asked:
    """The partitions that `items` mean.

    Args:
        fields: of the dataset, in order.
        existing: all partitions there are, in order.
        most: maximum number of partitions.

    Raises InputError for more than `most`, counted before they are written out, for one that is named twice, or for
    filters that would take long.
    """
    named: dict[str, int] = {}
    wanted: dict[str, Values] = {}
    unmatched = []
    listed = written = compared = 0
    all_there = Existing(existing)
    taken = set[int]()

    def limit(count: int) -> None:
        # What is named again counts, too: a range that stands there forty times is written out as often.
        require_few(max(len(wanted), listed) + count, most)

    def limit_filter(count: int) -> None:
        nonlocal written
        require_few(count, most)
        written += count
        require_few(written, max(most, _MOST_WRITTEN))

    for item in items:
        if isinstance(item, Item) and item.is_filter(fields):
            compared += len(existing)
            if compared > _MOST_COMPARED:
                raise InputError(
                    f"partitions= has too many wildcards, or texts without all fields, for {len(existing):,} "
                    f"partitions: {_MOST_COMPARED // len(existing):,} are the most; name the partitions, or use ranges"
                )
            found = item.matching(all_there, limit_filter)
            for values in found:
                if id(values) not in taken:  # many filters may take the same, and making a key takes longer
                    taken.add(id(values))
                    wanted.setdefault(partition_key(values), values)
            limit(0)
            unmatched += [] if found else [item.text]
            continue
        for values in item.required(fields, all_there, limit) if isinstance(item, Item) else [item]:
            key = partition_key(values)
            named[key] = named.get(key, 0) + 1
            listed += 1
            wanted.setdefault(key, values)
        limit(0)
    twice = [key for key, count in named.items() if count > 1]
    if twice:
        raise InputError(f"partitions asked for more than once: {', '.join(twice[:20])}; name each once")
    return Asked(list(wanted.values()), unmatched)


def require_few(count: int, most: int) -> None:
    """Raise InputError if one request names too many partitions."""
    if count > most:
        raise InputError(
            f"partitions= names {count:,} partitions, of which one request may name {most:,}; name fewer, or let the "
            "DAG's author write PartitionedDataset(max_partitions=...)"
        )
