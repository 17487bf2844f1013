"""Columns that make groups: one form for each value, an order, or a clear no."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.scoring.group_keys import canonical, hashes, places_of_groups
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit


def _places(column: pa.Array) -> list[list[int]]:
    keys = canonical(pa.table({"g": column}), ["g"])
    assert len(hashes(keys)) == len(column)
    return [rows.tolist() for rows in places_of_groups(keys)]


@pytest.mark.parametrize(
    ("column", "groups"),
    [
        (pa.array(np.array([2.5, -0.0, 0.0, np.nan, 2.5], np.float16)), [[1, 2], [0, 4], [3]]),
        (pa.array(["b", "a", None, "b"], pa.string_view()), [[1], [0, 3], [2]]),
        (pa.array([b"b", b"a", b"b"], pa.binary_view()), [[1], [0, 2]]),
    ],
    ids=str,
)
def test_values_that_arrow_cannot_sort_as_they_are_make_groups(column: pa.Array, groups: list[list[int]]) -> None:
    assert _places(column) == groups


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.month_day_nano_interval(), pa.uuid()], ids=str)
def test_values_without_an_order_are_refused_by_name(kind: pa.DataType) -> None:
    with pytest.raises(InputError, match=r"group_by: the column 'g' is .*, which cannot make groups"):
        canonical(pa.table({"g": pa.nulls(2, kind)}), ["g"])


def count(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(rows)]})


@pytest.mark.parametrize("block_rows", [2, 100])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([2.5, -0.0, 0.0, 2.5, 2.5], np.float16), [(0.0, 2), (2.5, 3)]),
        (["b", "a", "b", "b", "a"], [("a", 2), ("b", 3)]),
    ],
    ids=["half floats", "text"],
)
def test_groups_of_half_floats(tmp_path: Path, values: Any, expected: Sequence[Any], block_rows: int) -> None:
    table = pa.table({"g": values, "x": [1.0] * 5})
    pq.write_table(table, tmp_path / "part_1.parquet", row_group_size=2)
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.parquet")
    function = FunctionJob(FunctionRef.of(count), group_by=("g",))
    job = ScoringJob(dataset, function, f"{tmp_path}/staged", block_rows=block_rows)
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=1))
    found = scores(manifest).sort_values("g")
    assert list(zip(found["g"], found["rows"], strict=True)) == expected


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()], ids=str)
def test_a_text_does_not_end_at_its_first_nul(tmp_path: Path, kind: pa.DataType) -> None:
    """Blocks met the two values in other orders, so that pandas' categories hashed them otherwise in each."""
    values = [["a\0", "a", "b"], ["a", "a\0", "b"], ["b", "a", "a\0"]]
    found = [hashes(pa.table({"g": pa.array(some, pa.string()).cast(kind)})) for some in values]
    assert [dict(zip(*pair, strict=True)) for pair in zip(values, [one.tolist() for one in found], strict=True)] == [
        dict(zip(values[0], found[0].tolist(), strict=True))
    ] * 3
    assert len(set(found[0].tolist())) == 3


@pytest.mark.parametrize("buckets", [2, 3, 4, 8])
@pytest.mark.parametrize(
    "keys",
    [
        {"g": [f"site {n}" for n in range(4000)]},
        {"g": list(range(4000))},
        {"g": list(range(4000)), "h": ["x"] * 4000},
        {"g": ["x"] * 4000, "h": list(range(4000))},
    ],
    ids=["texts", "numbers", "numbers and one value", "one value and numbers"],
)
def test_groups_are_spread_evenly_over_buckets(keys: dict[str, list[Any]], buckets: int) -> None:
    sizes = np.bincount((hashes(pa.table(keys)) % buckets).astype(np.int64), minlength=buckets)
    assert sizes.min() > 0.8 * 4000 / buckets


def test_groups_of_several_columns_do_not_share_a_number() -> None:
    keys = pa.table({"g": ["a", "b", "a", "b", None, ""], "h": ["a", "b", "b", "a", "", None]})
    assert len(set(hashes(keys).tolist())) == 6
