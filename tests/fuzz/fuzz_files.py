"""The files of a case: CSV with bad lines between the good ones, Parquet with what pandas says of an index."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz_cases import COLUMNS, NUMBERS, PARQUET_KEYS, Case, Row


def write(case: Case, folder: Path) -> Path:
    """All partitions below `folder`, and below ``<folder>-good`` the same without the bad lines, for the oracle."""
    for partition in range(len(case.files) + 1):
        for number, rows in enumerate(case.rows(partition)):
            name = f"p={partition}/{number}.{case.form}"
            for place, bad in ((folder, case.bad), (Path(f"{folder}-good"), ())):
                path = place / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if case.is_csv:
                    _write_csv(case, path, rows, bad if (partition, number) == (1, 0) else ())
                else:
                    _write_parquet(case, path, rows)
    return folder


def _cell(case: Case, name: str, value: Any) -> str:
    text = "" if value is None else str(value)
    if case.whole_cells and name == "y":
        text = text.removesuffix(".0")
    needed = any(mark in text for mark in (case.delimiter, '"', "\n", "\r"))
    wanted = case.style == "all" or (case.style == "text" and name in "tk")
    return '"' + text.replace('"', '""') + '"' if needed or wanted else text


def _bad_line(case: Case, kind: str, number: int) -> str:
    cells = [f"bad{number}", "k", "1.5", "2", "True", "a", "2020-01-01 00:00:00", "1"]
    if case.typed_key:
        cells[1] = "1"
    if kind == "text in x":
        cells[2] = "one and a half"
    elif kind == "text in y":
        cells[3] = "2,5" if case.delimiter == ";" else "2x"
    elif kind == "too many fields":
        cells += ["more", "and more"]
    else:
        cells = cells[:4]
    return case.delimiter.join(cells)


def _write_csv(case: Case, path: Path, rows: Sequence[Row], bad: Sequence[str]) -> None:
    lines = [case.delimiter.join(_cell(case, name, row[name]) for name in COLUMNS) for row in rows]
    for number, kind in enumerate(bad):
        lines.insert((7 * number + case.seed) % (len(lines) + 1), _bad_line(case, kind, number))
    header = case.delimiter.join(COLUMNS)
    text = case.ending.join([header, *lines]) + (case.ending if case.last_ending else "")
    data = ("\ufeff" if case.mark else "").encode() + text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if case.form.endswith("gz") else data)


def _write_parquet(case: Case, path: Path, rows: Sequence[Row]) -> None:
    text_uid = case.seed % 2
    types: dict[str, pa.DataType] = {
        "uid": pa.string() if text_uid else pa.int64(),
        "k": PARQUET_KEYS[case.key][0],
        "x": NUMBERS[case.numbers[0]],
        "y": NUMBERS[case.numbers[1]],
        "f": pa.bool_(),
        "t": pa.string(),
        "w": pa.timestamp("us"),
        "label": pa.int64(),
    }
    arrays = [
        pa.array([row[name] for row in rows], pa.float64()).cast(types[name])
        if name in "xy"
        else pa.array([row[name] for row in rows], types[name])
        for name in COLUMNS
    ]
    table = pa.table(arrays, schema=pa.schema([pa.field(name, types[name]) for name in COLUMNS]))
    pq.write_table(_with_metadata(table, case.index), path, row_group_size=case.row_group)


def _with_metadata(table: pa.Table, index: str) -> pa.Table:
    """The table as pandas would have written it with that index: columns of the index last."""
    import pandas as pd

    if not index:
        return table
    rows = table.num_rows
    ranges = {
        "sliced": pd.RangeIndex(3, 3 + rows),
        "reversed": pd.RangeIndex(rows - 1, -1, -1),
        "every second": pd.RangeIndex(0, 2 * rows, 2),
        "named range": pd.RangeIndex(rows, name="row"),
    }
    names = ["t", "x"] if index == "two levels" else [index] if index not in ranges else []
    frame = pd.DataFrame({name: np.zeros(rows) for name in COLUMNS}, index=ranges.get(index))
    metadata = pa.Schema.from_pandas(frame.set_index(names) if names else frame).metadata
    ordered = [name for name in COLUMNS if name not in names] + names
    return table.select(ordered).replace_schema_metadata(metadata)
