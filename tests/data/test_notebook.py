"""The types that pandas gives in a notebook, where readers here give plainer ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.inferred_types import infer_types, reading_types
from airflow_batchscore.data.notebook import notebook_types, remedy, that_apply, with_types

pytestmark = pytest.mark.unit

SIZES = pd.CategoricalDtype(["S", "M", "L"], ordered=True)


def _types(dataset: PartitionedDataset) -> dict[str, Any]:
    partitions = dataset.require()
    raw = infer_types(dataset, partitions, None)
    return notebook_types(dataset, partitions, raw, reading_types(dataset.column_types, raw, list(raw)))


def _frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"n": [1, 2], "x": [0.5, 1.5], "s": ["a", "b"], **columns})


def test_whole_numbers_of_csv_files_are_integers_to_pandas(tmp_path: Path) -> None:
    _frame(t=[True, False]).to_csv(tmp_path / "p_1.csv", index=False)
    assert _types(PartitionedDataset(f"{tmp_path}/p_{{p}}.csv")) == {"n": "int64"}
    declared = PartitionedDataset(f"{tmp_path}/p_{{p}}.csv", read_options={"column_types": {"n": "float64"}})
    assert _types(declared) == {}


def test_a_parquet_file_states_the_types_of_pandas(tmp_path: Path) -> None:
    _frame(
        size=pd.Categorical(["M", "S"], dtype=SIZES),
        qty=pd.array([1, None], dtype="Int64"),
        vip=pd.array([True, None], dtype="boolean"),
        code=pd.Categorical([7, 8]),
        t=pd.to_datetime(["2026-01-01", None]).tz_localize("UTC"),
    ).to_parquet(tmp_path / "p_1.parquet")
    types = _types(PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet"))
    # pandas 3 has a type of its own for text, too.
    assert {name: str(kind) for name, kind in types.items() if name not in ("size", "s")} == {
        "n": "int64",
        "code": "int64",
        "qty": "Int64",
        "vip": "boolean",
    }
    assert types["size"] == SIZES


def test_a_file_without_rows_leaves_the_word_to_the_next(tmp_path: Path) -> None:
    frame = _frame(qty=pd.array([1, None], dtype="Int64"))
    frame.iloc[:0].astype({"qty": "float64"}).to_parquet(tmp_path / "p_1.parquet")
    frame.to_parquet(tmp_path / "p_2.parquet")
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet")
    raw = {"n": "int64", "qty": "int64"}
    types = notebook_types(dataset, dataset.require(), raw, dict.fromkeys(raw, "float64"))
    assert {name: str(kind) for name, kind in types.items()} == {"n": "int64", "qty": "Int64"}
    assert notebook_types(dataset, dataset.require([1]), raw, dict.fromkeys(raw, "float64")) == {
        "n": "int64",
        "qty": "int64",
    }


def test_integers_are_floats_where_one_is_missing() -> None:
    table = pa.table({"n": [1, None], "m": [1, 2], "size": ["S", None]})
    types = {"n": "int64", "m": "int64", "size": SIZES, "gone": "int64"}
    assert that_apply(types, table) == {"m": "int64", "size": SIZES}


def test_a_frame_gets_the_types_and_categories_that_are_new() -> None:
    frame = pd.DataFrame({"n": [1.0, 2.0], "size": ["XL", None]})
    made = with_types(frame, {"n": "int64", "size": SIZES})
    assert made["n"].dtype == "int64"
    assert made["size"].dtype == pd.CategoricalDtype(["S", "M", "L", "XL"], ordered=True)
    assert frame["n"].dtype == "float64"
    with pytest.raises((TypeError, ValueError)):
        with_types(pd.DataFrame({"n": [1.0, None]}), {"n": "int64"})


@pytest.mark.parametrize(
    ("dtype", "advice"),
    [
        ("int64", "Declare it, PartitionedDataset(read_options={'column_types': {'c': 'int64'}})"),
        (SIZES, "frame['c'] = pd.Categorical(frame['c'], categories=['S', 'M', 'L'], ordered=True); if text will do"),
        (pd.CategoricalDtype([str(n) for n in range(20)]), "'10', '11', ...]); if text will do"),
        (pd.Int64Dtype(), "frame['c'] = frame['c'].astype('Int64'); if NaN will do, declare it"),
        (pd.BooleanDtype(), "{'column_types': {'c': 'bool'}}"),
        (pd.StringDtype(), "{'column_types': {'c': 'string'}}"),
    ],
    ids=str,
)
def test_a_user_is_told_what_to_do_about_a_column(dtype: Any, advice: str) -> None:
    assert advice in remedy("c", dtype)
    if not isinstance(dtype, str):
        assert "declare it" not in remedy("c", dtype, or_plain=False)
