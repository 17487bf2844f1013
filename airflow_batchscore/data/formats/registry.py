"""Finds a format by a file's suffix, or by its name, which is the suffix without the dot.

Other packages add formats by entry points, named by the suffix: nothing is imported for files that do not have it. One
class may be named by several.
"""

from __future__ import annotations

import copy
import sys
from functools import cache

from airflow_batchscore.data.formats.base import Format
from airflow_batchscore.data.formats.compression import is_packed, without_suffix
from airflow_batchscore.data.formats.csv_format import Csv
from airflow_batchscore.data.formats.jsonl_format import JsonLines
from airflow_batchscore.data.formats.orc_format import Orc
from airflow_batchscore.data.formats.parquet_format import Parquet
from airflow_batchscore.entry_points import Door
from airflow_batchscore.errors import InputError

#: Entry points of this group name a `Format` each. A built-in suffix cannot be replaced.
GROUP = "airflow_batchscore.formats"

_BUILT_IN: dict[str, Format] = {known.name: known for known in (Csv(), Parquet(), JsonLines(), Orc())}
_BY_SUFFIX = {
    ".csv": _BUILT_IN["csv"],
    ".parquet": _BUILT_IN["parquet"],
    ".pq": _BUILT_IN["parquet"],
    ".jsonl": _BUILT_IN["jsonl"],
    ".ndjson": _BUILT_IN["jsonl"],
    ".orc": _BUILT_IN["orc"],
}
_DOOR = Door(GROUP, Format, InputError, frozenset(_BY_SUFFIX))  # type: ignore[type-abstract]


def format_named(name: str) -> Format:
    """The format called `name`. Raises InputError listing the known ones, or if it cannot be imported."""
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    suffix = _DOOR.suffix_of(f".{name}")
    if suffix == f".{name}":
        return _added(suffix, tuple(sys.path))
    known = ", ".join(repr(known) for known in (*_BUILT_IN, *(suffix.lstrip(".") for suffix in _DOOR.offered())))
    raise InputError(
        f"format={name!r} is unknown; use one of {known}, or install the package that adds it on every worker"
    )


def format_of(uri: str) -> Format | None:
    """The format that a file's suffix names, or None. Raises InputError if it cannot be imported."""
    name = uri.lower()
    unpacked = without_suffix(name)
    for suffix, known in _BY_SUFFIX.items():
        if name.endswith(suffix) or (known.packed and unpacked.endswith(suffix)):
            return known
    added = _DOOR.suffix_of(name)
    if added is not None:
        return _added(added, tuple(sys.path))
    added = _DOOR.suffix_of(unpacked) if is_packed(name) else None
    chosen = _added(added, tuple(sys.path)) if added is not None else None
    return chosen if chosen is not None and chosen.packed else None


def known_options(chosen: Format | None) -> frozenset[str]:
    """The ``read_options`` of a dataset: a dataset may hold files of several built-in formats."""
    return frozenset().union(*(known.options for known in (*_BUILT_IN.values(), *([chosen] if chosen else ()))))


@cache
def _added(suffix: str, path: tuple[str, ...]) -> Format:
    """The format that the packages on the import path offer for a suffix. Cached: it is asked for each block.

    Raises InputError naming the package.
    """
    made = copy.copy(_DOOR.make(suffix, f"the format of {suffix} files"))
    made.name = suffix.removeprefix(".")
    return made
