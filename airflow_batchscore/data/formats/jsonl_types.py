"""The types that values of JSON Lines appear to have."""

from __future__ import annotations

import re
from collections.abc import Callable

from airflow_batchscore.data.exact import EXACT_FLOATS
from airflow_batchscore.data.formats.jsonl_records import Members, Number, parse, records
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.data.formats.text_types import type_name
from airflow_batchscore.data.no_type import NO_TYPE
from airflow_batchscore.errors import InputError

_WHOLE = re.compile(r"-?\d+")


def types_of(lines: Lines, wanted: Callable[[str], bool]) -> dict[str, str]:
    """Columns with one type each for all rows of some lines; see `Format.types`.

    A column that mixes types is text, and so are whole numbers that no float holds exactly. Lines that are not objects
    are ignored.

    Raises InputError for a wanted column that holds objects or lists.
    """
    types = _by_arrow(lines, wanted)
    return _one_by_one(lines, wanted) if types is None else types


def _by_arrow(lines: Lines, wanted: Callable[[str], bool]) -> dict[str, str] | None:
    import pyarrow.compute as pc
    import pyarrow.types as pt

    table = parse(lines, None)
    if table is None:
        return None
    types = {}
    for field in table.schema:
        if not wanted(field.name):
            continue
        if pt.is_nested(field.type):
            raise _nested(field.name)
        if pt.is_integer(field.type) or pt.is_floating(field.type):
            ends = pc.min_max(table.column(field.name)).as_py().values()
            if any(end is not None and abs(end) >= EXACT_FLOATS for end in ends):
                return None
        types[field.name] = type_name(field.type)
    return types


def _one_by_one(lines: Lines, wanted: Callable[[str], bool]) -> dict[str, str]:
    types: dict[str, set[str]] = {}
    for record in records(lines):
        for name, value in record.members or ():
            if wanted(name):
                types.setdefault(name, set()).add(_type_of(name, value))
    return {name: _one(kinds - {NO_TYPE}) for name, kinds in types.items()}


def _type_of(name: str, value: object) -> str:
    if value is None:
        return NO_TYPE
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, Number):
        return _number_type(value)
    if isinstance(value, (list, Members)):
        raise _nested(name)
    return "string"


def _number_type(value: Number) -> str:
    if not _WHOLE.fullmatch(value):
        return "float64"
    if is_rounded(value):
        return "string"
    return "int64" if -(1 << 63) <= int(value) < 1 << 63 else "float64"


def is_rounded(value: Number) -> bool:
    """Whether it is a whole number that changes when stored as a float."""
    if len(value) < 16 or not _WHOLE.fullmatch(value):
        return False
    number = float(value)
    return abs(number) == float("inf") or int(number) != int(value)


def _one(kinds: set[str]) -> str:
    if len(kinds) < 2:
        return next(iter(kinds), NO_TYPE)
    return "float64" if kinds == {"int64", "float64"} else "string"


def _nested(name: str) -> InputError:
    return InputError(
        f"the column {name!r} holds objects or lists, which are not read from JSON Lines. Name the columns that are "
        "needed, Recipe(columns=[...]), or write its members as columns of their own"
    )
