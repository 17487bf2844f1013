"""What a function gives is published as it is, or refused with the column and the row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from applied import apply
from support import NUMBERED, good_rows, write_csv

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, RecipeError
from airflow_batchscore.publish.combine import combine

pytestmark = pytest.mark.unit

ROWS = 60
BIG = 2**53 + 1


def _published(folder: Path, column: Callable[[pd.DataFrame], Any], **types: str) -> pa.ChunkedArray:
    """The column ``x`` of what is published of a function that makes it of rows in blocks of about 20."""
    write_csv(folder / "part_1.csv", good_rows(ROWS))

    def with_column(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"x": column(rows)}, rows.index)

    manifest = apply(folder, with_column, read_options=NUMBERED, block_rows=20, output_types=types)
    combine([manifest], Location(f"{folder}/out.parquet"))
    return pq.read_table(folder / "out.parquet")["x"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (pd.Timestamp("2026-01-01 00:00:00.000000001"), pa.timestamp("ns")),
        (np.datetime64("9999-12-31", "us"), pa.timestamp("us")),
        (np.uint64(2**64 - 1), pa.uint64()),
        (date(9999, 12, 31), pa.date32()),
    ],
    ids=str,
)
def test_a_value_is_published_as_it_is(tmp_path: Path, value: Any, kind: pa.DataType) -> None:
    found = _published(tmp_path, lambda rows: pd.Series([value] * len(rows), rows.index))
    assert found.type == kind
    assert found.cast(pa.string()).to_pylist() == pa.array([value] * ROWS, kind).cast(pa.string()).to_pylist()


def test_large_integers_beside_missing_ones_are_exact(tmp_path: Path) -> None:
    def large(rows: pd.DataFrame) -> Any:
        return pd.array([None if n % 3 else BIG + int(n) for n in rows["id"]], "Int64")

    assert BIG in _published(tmp_path, large).to_pylist()


@pytest.mark.parametrize(
    ("early", "late", "types"),
    [
        (date(2026, 1, 1), datetime(2026, 1, 1, 12), {}),
        (datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 12, tzinfo=UTC), {}),
        (datetime(2026, 1, 1), pd.Timestamp("2026-01-01 00:00:00.000000001"), {}),
        (1, 2**63, {}),
        (0.5, BIG, {}),
        (0.5, Decimal("12345678901234567890.12"), {}),
        (7, float(2**60), {"x": "int64"}),
        (7, 7.5, {"x": "int64"}),
    ],
    ids=str,
)
def test_a_value_that_would_be_another_is_refused_with_column_and_row(
    tmp_path: Path, early: Any, late: Any, types: dict[str, str]
) -> None:
    """Also where only a later block has it, and the first rows gave the type."""

    def mixed(rows: pd.DataFrame) -> Any:
        made = np.empty(len(rows), dtype=object)
        made[:] = [late if number == 50 else early for number in rows["id"]]
        return made

    with pytest.raises(RecipeError, match=r"the column 'x' .*row \d+ has"):
        _published(tmp_path, mixed, **(types or {"x": str(pa.array([early]).type)}))
    assert not (tmp_path / "out.parquet").exists()


def test_values_of_several_kinds_in_the_first_rows_are_refused_at_once(tmp_path: Path) -> None:
    def mixed(rows: pd.DataFrame) -> Any:
        return pd.Series(["text", 1] * (len(rows) // 2), rows.index, dtype=object)

    with pytest.raises(RecipeError, match="the column 'x' has values of several kinds: row 1 has 1"):
        _published(tmp_path, mixed)


def test_a_kind_that_is_not_written_is_refused_with_its_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the output column 'x' has the type 'decimal128"):
        _published(tmp_path, lambda rows: pd.Series([Decimal("1.10")] * len(rows), rows.index))
