"""``partition_by``: what divides the rows of a file among partitions.

    country             the column's value
    user_id % 10        the remainder of a whole number: 0 to 9
    hash(user_id) % 10  a bucket: the CRC-32 of the value's text, modulo 10
    month(ts)           also year, day, hour: 2026-04, 2026, 2026-04-01, 2026-04-01T05

A column whose name is not letters, digits and underscores stands in double quotes: ``"user id" % 10``. There is no
other syntax, and nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

from airflow_batchscore.data.pattern import Values
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: The name that Hive, and what writes like it, gives to the partition of rows without a value.
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
#: The number of a row: from 0, over all files in the order of their URIs.
ROW = "_row"
#: The URI of the file that a row is in.
FILE = "_file"

Kind = Literal["value", "mod", "hash", "year", "month", "day", "hour"]
_MOST_BUCKETS = 100_000
#: The parts of a date, and how much of an ISO date and time they keep, in letters.
PART_LENGTHS = {"year": 4, "month": 7, "day": 10, "hour": 13}
_COLUMN = r'(?:(?P<plain>[^\W\d]\w*)|"(?P<quoted>[^"]+)"|`(?P<ticked>[^`]+)`)'
_NUMBER = r"\s*%\s*(?P<buckets>\d+)"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("value", re.compile(_COLUMN)),
    ("mod", re.compile(_COLUMN + _NUMBER)),
    ("hash", re.compile(rf"hash\s*\(\s*{_COLUMN}\s*\){_NUMBER}", re.IGNORECASE)),
    *((part, re.compile(rf"{part}\s*\(\s*{_COLUMN}\s*\)", re.IGNORECASE)) for part in PART_LENGTHS),
)
_SYNTAX = (
    "write a column (country), its remainder (user_id % 10), a hash bucket of it (hash(user_id) % 10), or a part of a "
    "date (year(ts), month(ts), day(ts), hour(ts)); a name that is not letters, digits and _ stands in double quotes"
)


@dataclass(frozen=True)
class Term:
    """One expression, which makes one field.

    Attributes:
        buckets: N of ``% N``; 0 for other kinds.
    """

    kind: Kind
    column: str
    buckets: int = 0

    @property
    def field(self) -> str:
        """``country``, ``user_id_mod_10``, ``user_id_hash_10``, ``ts_month``.

        Underscores at the beginning are left out: whatever reads folders passes over such names.
        """
        if self.kind == "value":
            return self.column.lstrip("_") or self.column
        name = re.sub(r"\W", "_", self.column).lstrip("_") or "column"
        return f"{name}_{self.kind}" + (f"_{self.buckets}" if self.buckets else "")


@dataclass(frozen=True)
class PartitionBy:
    """The terms of a dataset, one for each field, in order."""

    terms: tuple[Term, ...]

    @cached_property
    def fields(self) -> tuple[str, ...]:
        return tuple(term.field for term in self.terms)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that the terms look at."""
        return tuple(dict.fromkeys(term.column for term in self.terms))

    @property
    def known(self) -> list[Values] | None:
        """All partitions, if nothing needs to be read to know them: the buckets, and that of rows without a value."""
        if len(self.terms) > 1 or not self.terms[0].buckets:
            return None
        term = self.terms[0]
        missing = [] if term.column == ROW else [NO_VALUE]  # every row has a number
        return [{term.field: value} for value in (*map(str, range(term.buckets)), *missing)]

    @property
    def without_value(self) -> Values:
        """The partition of rows that cannot be read."""
        return dict.fromkeys(self.fields, NO_VALUE)

    def labels(self, table: pa.Table) -> list[pa.Array]:
        """For each field its value in each row: text, `NO_VALUE` for none.

        Args:
            table: has `columns`.

        Raises InputError if a column has a type that a term cannot divide.
        """
        from airflow_batchscore.data.row_labels import labels

        return [labels(term, table.column(term.column)) for term in self.terms]

    def numbers(self, table: pa.Table, wanted: Sequence[Mapping[str, str]]) -> np.ndarray:
        """For each row the index of its partition in `wanted`; -1 if it is in none of them."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        codes = np.zeros(table.num_rows, np.int64)
        known = np.ones(table.num_rows, bool)
        ours = [0] * len(wanted)
        for field, texts in zip(self.fields, self.labels(table), strict=True):
            values = list(dict.fromkeys(values[field] for values in wanted))
            found = pc.index_in(texts, value_set=pa.array(values, pa.string()))
            known &= found.is_valid().to_numpy(zero_copy_only=False)
            codes = codes * len(values) + pc.fill_null(found, 0).to_numpy(zero_copy_only=False)
            ours = [code * len(values) + values.index(each[field]) for code, each in zip(ours, wanted, strict=True)]
        order = np.argsort(ours)
        sorted_codes = np.asarray(ours)[order]
        places = np.minimum(np.searchsorted(sorted_codes, codes), len(ours) - 1)
        hit: np.ndarray = np.where(known & (sorted_codes[places] == codes), order[places], -1)
        return hit


@lru_cache(maxsize=256)
def parse_partition_by(expressions: tuple[str, ...]) -> PartitionBy:
    """Raises InputError for what is not an expression, for two that make the same field, and for a bad bucket count."""
    if not expressions:
        raise InputError(f"partition_by is empty: {_SYNTAX}; or leave it out")
    by = PartitionBy(tuple(map(_term, expressions)))
    twice = sorted({field for field in by.fields if by.fields.count(field) > 1})
    if twice:
        raise InputError(f"partition_by={list(expressions)}: {', '.join(twice)} is made twice; name each field once")
    return by


def _term(text: object) -> Term:
    if not isinstance(text, str):
        raise InputError(f"partition_by holds {text!r}: {_SYNTAX}")
    for kind, form in _FORMS:
        match = form.fullmatch(text.strip())
        if match is None:
            continue
        column = match["plain"] or match["quoted"] or match["ticked"]
        if kind not in ("mod", "hash"):
            term = Term(kind, column)  # type: ignore[arg-type]
        else:
            buckets = int(match["buckets"][:10])
            if not 1 <= buckets <= _MOST_BUCKETS:
                raise InputError(f"partition_by={text!r}: % takes a number from 1 to {_MOST_BUCKETS:,}")
            term = Term(kind, column, buckets)  # type: ignore[arg-type]
        _require_virtual(term, text)
        return term
    raise InputError(f"partition_by={text!r} cannot be read: {_hint(text)}{_SYNTAX}")


def _require_virtual(term: Term, text: str) -> None:
    if term.column == FILE:
        raise InputError(f"partition_by={text!r}: give the uri a field instead, such as data/{{name}}.csv")
    if term.column == ROW and term.kind != "mod":
        raise InputError(f"partition_by={text!r}: rows are divided by their number as _row % 10")


def _hint(text: str) -> str:
    if "," in text:
        return "several are a list, partition_by=['country', 'year(ts)']; "
    if re.fullmatch(r"hash\s*\(.*\)", text.strip(), re.IGNORECASE):
        return "a hash needs a number of buckets, hash(column) % 10; "
    if re.match(r"\s*(week|quarter|date|minute|second|dayofweek)\s*\(", text, re.IGNORECASE):
        return "there are the parts year, month, day and hour; "
    return ""
