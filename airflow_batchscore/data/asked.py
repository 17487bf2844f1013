"""What somebody asks for, and the partitions that this means once it is known what exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod

from airflow_batchscore.data.date_fields import DateRange
from airflow_batchscore.data.field_choice import FieldChoice, Series
from airflow_batchscore.data.pattern import Values, partition_key, require_value
from airflow_batchscore.errors import InputError

#: Raises InputError if a request names so many partitions, or more than it did already.
Limit = Callable[[int], None]


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

    def required(self, fields: Sequence[str], existing: Sequence[Values], limit: Limit) -> list[Values]:
        """For an item that is no filter: the partitions asked for, whether they exist or not."""
        series = {name: _series(name, choice, existing) for name, choice in self.choices.items()}
        limit(prod(one.count for one in series.values()) * (self.dates.count if self.dates else 1))
        made = (dict(zip(series, values, strict=True)) for values in product(*series.values()))
        found = [{name: values[name] for name in fields} for values in self._with_dates(made, existing)]
        for values in found:
            for name, value in values.items():
                require_value(name, value)
        return found

    def _with_dates(self, made: Iterator[Values], existing: Sequence[Values]) -> Iterator[Values]:
        """Existing partitions of the dates, however their numbers are written, or what they would be called."""
        dates = self.dates
        if dates is None:
            yield from made
            return
        known: dict[tuple[object, ...], list[Values]] = {}
        for values in existing:
            others = tuple(values[name] for name in self.choices)
            known.setdefault((others, dates.parts(values)), []).append(values)
        for values in made:
            for parts in dates:
                there = known.get((tuple(values.values()), parts))
                yield from there or [{**values, **dates.write(parts, existing)}]

    def matching(self, existing: Sequence[Values], limit: Limit) -> list[Values]:
        """For a filter: the existing partitions that it lets pass."""
        allowed: dict[str, frozenset[str]] = {}
        for name, choice in self.choices.items():
            if not choice.is_filter:
                series = _series(name, choice, existing)
                limit(series.count)
                allowed[name] = frozenset(series)
        wild = {name: choice for name, choice in self.choices.items() if choice.is_filter}

        def passes(values: Values) -> bool:
            return (
                all(values[name] in some for name, some in allowed.items())
                and all(choice.fits(values[name]) for name, choice in wild.items())
                and (self.dates is None or self.dates.fits(values))
            )

        found = [values for values in existing if passes(values)]
        limit(len(found))
        return found


def _series(name: str, choice: FieldChoice, existing: Sequence[Values]) -> Series:
    return choice.series({values[name] for values in existing})


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

    Raises InputError for more than `most`, counted before they are written out, or for one that is named twice.
    """
    named: dict[str, int] = {}
    wanted: dict[str, Values] = {}
    unmatched = []

    def limit(count: int) -> None:
        require_few(len(wanted) + count, most)

    for item in items:
        if isinstance(item, Item) and item.is_filter(fields):
            found = item.matching(existing, lambda count: require_few(count, most))
            wanted |= {key: values for values in found if (key := partition_key(values)) not in wanted}
            limit(0)
            unmatched += [] if found else [item.text]
            continue
        for values in item.required(fields, existing, limit) if isinstance(item, Item) else [item]:
            key = partition_key(values)
            named[key] = named.get(key, 0) + 1
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
