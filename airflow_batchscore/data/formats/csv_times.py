"""Columns of CSV files that are declared as times: what `pandas.to_datetime` reads by their format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.column_types import TIME
from airflow_batchscore.data.formats.text_types import arrow_type
from airflow_batchscore.data.halves import cast_by_halves
from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.data.type_names import arrow_type as named_type
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Of `strptime`. Not among them: zones, which may differ from row to row, weeks, and what a locale decides as a whole.
_DIRECTIVES = frozenset("aAbBdfHIjmMpSyY%")
#: pandas takes them for the clock's time, whatever the format.
_NOT_WRITTEN = ("now", "today")
#: Whole days that 64 bits of nanoseconds hold. Beyond them pandas 2 reads nothing, and pandas 3 only if no other row of
#: the column has nanoseconds.
_FIRST, _BEHIND = "1677-09-22", "2262-04-11"


@dataclass(frozen=True)
class Times:
    """How times are written.

    Attributes:
        formats: column -> format.
    """

    formats: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: JsonMapping) -> Times:
        """Those of ``read_options``. Raises InputError for a format that is none, or that no column has."""
        given: Any = options.get("date_format")
        if given is None:
            return cls()
        types = options.get("column_types") or {}
        timed = [name for name, kind in types.items() if isinstance(kind, str) and TIME.fullmatch(kind)]
        formats: dict[str, str] = dict(given) if isinstance(given, Mapping) else dict.fromkeys(timed, given)
        if not timed or formats.keys() != {*timed}:
            columns = timed or [*formats] or ["day"]
            raise InputError(
                f"read_options: date_format={given!r} is for columns that are declared as times, and each of them "
                f"needs one: {{'column_types': {dict.fromkeys(columns, 'timestamp[us]')}, 'date_format': '%d.%m.%Y'}}"
            )
        for text in formats.values():
            _require_format(text)
        return cls(formats)

    def type_of(self, name: str, kind: str | None) -> pa.DataType:
        """The Arrow type that a column is read as. Raises InputError for an unknown one."""
        if kind is not None and TIME.fullmatch(kind) and name in self.formats:
            return named_type(kind)
        return arrow_type(kind or "string")

    def read(self, name: str, text: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, list[int]]:
        """The times of a column, null where there is none; and the rows that hold something else."""
        import numpy as np
        import pandas as pd
        import pyarrow as pa

        cells = text.to_pandas()
        made = pd.to_datetime(cells, format=self.formats[name], errors="coerce")
        fits = (made >= pd.Timestamp(_FIRST)) & (made < pd.Timestamp(_BEHIND)) & ~cells.isin(_NOT_WRITTEN)
        values, unfit = cast_by_halves(pa.Array.from_pandas(made.where(fits)), wanted)
        return values, sorted({*np.flatnonzero(cells.notna() & ~fits).tolist(), *unfit})

    def expected(self, name: str) -> str:
        """What a value looks like, for messages."""
        return f"a time like {self.formats[name]} between {_FIRST} and {_BEHIND}"


def _require_format(text: object) -> None:
    used = re.findall(r"%(.?)", text, re.DOTALL) if isinstance(text, str) else []
    twice = any(used.count(each) > 1 for each in _DIRECTIVES - {"%"})
    if not used or twice or not _DIRECTIVES.issuperset(used):
        raise InputError(
            f"read_options: date_format={text!r} must be a format such as '%d.%m.%Y' or '%Y-%m-%d %H:%M:%S', of "
            f"{', '.join(f'%{each}' for each in sorted(_DIRECTIVES))}, each once. Other times, such as those with a "
            "zone, are text: convert them in the recipe, with pd.to_datetime"
        )
