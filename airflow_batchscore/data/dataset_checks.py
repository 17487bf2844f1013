"""What the arguments of a `PartitionedDataset` may be, as far as they tell without a look at storage."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.column_types import require_known
from airflow_batchscore.data.formats.registry import format_named, format_of, known_options
from airflow_batchscore.data.partition_by import ROW
from airflow_batchscore.data.tables.kinds import require_table, table_from
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from airflow_batchscore.data.dataset import PartitionedDataset


def check(dataset: PartitionedDataset) -> None:
    """Bring the arguments of a new dataset into one form. Raises InputError for what cannot be."""
    if isinstance(dataset.uri, os.PathLike):
        dataset.uri = os.fspath(dataset.uri)
    if not isinstance(dataset.uri, str):
        raise InputError(f"uri={dataset.uri!r}: give text, 's3://bucket/key', and its connection as conn_id=")
    table: object = dataset.table
    if isinstance(table, Mapping):
        dataset.table = table_from(table) or dataset.table  # from `to_dict`
    if dataset.table is not None or dataset.version is not None:
        _check_table(dataset)
    dataset.read_options = dict(dataset.read_options or {})
    _check_reading(dataset)
    if not isinstance(dataset.partition_by, (str, type(None))):
        if not isinstance(dataset.partition_by, Sequence):
            raise InputError(
                f'partition_by={dataset.partition_by!r}: give text, "user_id % 10", or a list of such texts'
            )
        dataset.partition_by = list(dataset.partition_by)
    if dataset.terms is not None and "{{" not in dataset.uri:  # else Airflow has not rendered it yet
        require_no_fields(dataset)
    _require_readable_terms(dataset)


def _check_reading(dataset: PartitionedDataset) -> None:
    name = dataset.format if dataset.table is None else "parquet"
    chosen = format_named(name) if name else format_of(dataset.uri)
    known = known_options(chosen) if dataset.table is None else {"column_types"}
    unknown = set(dataset.read_options) - known
    if unknown:
        raise InputError(f"read_options {sorted(unknown)} are unknown; there are {sorted(known)}")
    if types := dataset.read_options.get("column_types"):
        times = chosen is not None and "date_format" in {*chosen.options} & {*dataset.read_options}
        require_known(types, typed=chosen is None or chosen.typed, times=times)
    if chosen is not None:
        chosen.check(dataset.read_options)


def _require_readable_terms(dataset: PartitionedDataset) -> None:
    """Raise InputError for a term that would look at text of CSV which only its options can read.

    A column without a declared type is divided by its text as it stands: ``10.612`` is no whole number then, and
    ``1.000`` is another one than the reader makes of it.
    """
    options = dataset.read_options
    chosen = format_named(dataset.format) if dataset.format else format_of(dataset.uri)
    if dataset.terms is None or dataset.table is not None or (chosen is not None and chosen.name != "csv"):
        return
    grouped = {"thousands": options["thousands"]} if options.get("thousands") else {}
    numbers = {**grouped, **({"decimal": options["decimal"]} if options.get("decimal") not in (None, ".") else {})}
    times = {**grouped, **({"date_format": options["date_format"]} if options.get("date_format") else {})}
    for term in dataset.terms.terms:
        kind, column = dataset.column_types.get(term.column), json.dumps(term.column)
        if term.kind in ("value", "hash") or term.column == ROW:
            continue
        if term.kind == "mod":
            marks, needed, unread = numbers, "int64", kind in (None, "string")
            other = f"of text as it stands there are buckets, partition_by='hash({term.column}) % {term.buckets}'"
        else:
            marks, needed, unread = times, "timestamp[us]", kind is None
            other = f'text like 2026-04-01 is declared so: {{"column_types": {{{column}: "string"}}}}'
        if marks and unread:
            given = ", ".join(f"{name}={value!r}" for name, value in marks.items())
            how = ', "date_format": "%d.%m.%Y"' if needed != "int64" and "date_format" not in marks else ""
            raise InputError(
                f"partition_by={dataset.partition_by!r}: with {given}, the text of {term.column!r} does not tell its "
                f'value. Declare its type: read_options={{"column_types": {{{column}: "{needed}"}}{how}}}; {other}'
            )


def _check_table(dataset: PartitionedDataset) -> None:
    table = dataset.table
    if table is None:
        raise InputError(f"version={dataset.version!r}: only a table has versions: give table=Delta() or Iceberg(...)")
    require_table(table)
    if dataset.partition_by is None:
        raise InputError(
            f"{dataset.uri}: say what makes the partitions of a table: partition_by='day' for a column, 'user_id % 10' "
            "for buckets, 'month(ts)' for a part of a date; table=Delta() alone does not tell before a run"
        )
    if dataset.format not in (None, "parquet"):
        raise InputError(f"format={dataset.format!r}: the files of a table are Parquet; leave format= out")
    if not isinstance(dataset.version, (str, int, type(None))) or isinstance(dataset.version, bool):
        raise InputError(f"version={dataset.version!r}: give a number, or text such as '2026-04-01T06:00:00Z'")
    if "*" in dataset.uri:
        raise InputError(f"{dataset.uri}: a table is one folder, whose name has no *")


def require_no_fields(dataset: PartitionedDataset) -> None:
    """Raise InputError for a dataset with both fields and ``partition_by``."""
    if fields := dataset.pattern.fields:
        raise InputError(
            f"the dataset's uri {dataset.uri!r} has the fields {list(fields)} and "
            f"partition_by={dataset.partition_by!r}; it can have one or the other: write * for the fields, or leave "
            "partition_by out"
        )


def require_utf8(uri: str) -> None:
    """Raise InputError for the name of a file that no manifest can name."""
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the name of the file {os.fsencode(uri)!r} is not UTF-8, so that no manifest or report can name it; "
            "rename it, or give the dataset a uri that it does not match"
        ) from None
