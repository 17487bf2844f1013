"""The type names allowed in ``column_types``. Does not import Arrow, as DAGs are parsed without it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_batchscore.errors import InputError

#: Types for all formats.
TYPE_NAMES = ("float64", "int64", "bool", "string")
#: Additional types for files that state their columns' types, by their Arrow names.
_ARROW = re.compile(
    r"u?int(8|16|32|64)|float|float(16|32|64)|double|large_string|binary|large_binary|date32|date64"
    r"|date32\[day\]|date64\[ms\]|timestamp\[(s|ms|us|ns)(, tz=.+)?\]|time32\[(s|ms)\]|time64\[(us|ns)\]"
    r"|duration\[(s|ms|us|ns)\]|decimal(128|256)\(\d+, -?\d+\)"
)
#: Additional types of columns whose ``date_format`` is given.
TIME = re.compile(r"timestamp\[(s|ms|us|ns)\]")


def require_known(types: object, *, typed: bool, times: bool = False) -> None:
    """Raise InputError listing the valid types unless `types` maps columns to type names.

    Args:
        typed: whether files state their columns' types.
        times: whether it is said how times are written in text.
    """
    if not isinstance(types, Mapping):
        raise InputError(f"column_types={types!r} is not a mapping, such as {{'zip': 'int64'}}")
    for name, kind in types.items():
        if kind in TYPE_NAMES or (typed and isinstance(kind, str) and _ARROW.fullmatch(kind)):
            continue
        if times and isinstance(kind, str) and TIME.fullmatch(kind):
            continue
        in_text = ", and with date_format (CSV) timestamp[us]"
        also = ", and for Parquet and ORC Arrow's names: int32, float32, date32, timestamp[us, tz=UTC], ..."
        raise InputError(
            f"column_types: {name!r} has the type {kind!r}, which is unknown; there are {', '.join(TYPE_NAMES)}"
            f"{also + ' decimal128(10, 2)' if typed else in_text}. Other types of pandas are made in the recipe or the "
            "function, with astype or pd.Categorical"
        )
