"""Functions that would give something else with the types that a notebook has are refused, with a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit

ROWS = 1500


def _apply(folder: Path, function: Any, *, types: dict[str, str] | None = None, **options: Any) -> Any:
    (path,) = folder.glob("1.*")
    job = ScoringJob(
        dataset=PartitionedDataset(f"{folder}/{{p}}{path.suffix}", read_options={"column_types": types or {}}),
        model=None,
        output_uri=f"{folder}/staged",
        spec=OutputSpec.of("predict"),
        keys=() if options.get("group_by") else ("id",),
        block_rows=400,
        function=FunctionJob(FunctionRef.of(function), **options),
    )
    return scores(score_partitions(job, [{"p": "1"}], LocalDask(workers=1, processes=False))[0][0])


def _frame() -> pd.DataFrame:
    frame = pd.DataFrame({"id": [f"r{n}" for n in range(ROWS)], "store": [n % 7 for n in range(ROWS)]})
    frame["size"] = pd.Categorical([["S", "M", "L"][n % 3] for n in range(ROWS)], ["S", "M", "L"], ordered=True)
    return frame


def label(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"label": "store " + frame["store"].astype(str)})


def largest(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"largest": [str(frame["size"].max())]})


def first_label(frame: pd.DataFrame) -> pd.DataFrame:
    return label(frame).head(1)


def codes(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"code": frame["size"].cat.codes})


@pytest.mark.parametrize("options", [{}, {"row_wise": False}, {"output_types": {"label": "string"}}])
def test_texts_of_whole_numbers(tmp_path: Path, options: dict[str, Any]) -> None:
    _frame().to_csv(tmp_path / "1.csv", index=False)
    with pytest.raises(RecipeError, match=r"label.* is 'store 0\.0', not 'store 0'.*'store' holds whole numbers"):
        _apply(tmp_path, label, **options)
    found = _apply(tmp_path, label, types={"store": "int64"}, **options)
    assert found["label"].tolist() == label(_frame())["label"].tolist()


def test_numbers_of_which_one_is_missing_further_on_are_floats_in_the_notebook_too(tmp_path: Path) -> None:
    frame = _frame().astype({"store": float})
    frame.loc[ROWS - 1, "store"] = None
    frame.astype({"store": "Int64"}).to_csv(tmp_path / "1.csv", index=False)
    assert _apply(tmp_path, label)["label"].tolist() == label(frame)["label"].tolist()


def test_groups(tmp_path: Path) -> None:
    _frame().to_parquet(tmp_path / "1.parquet")
    with pytest.raises(RecipeError, match=r"'M'.*, not '.'.*|'size' is stored as categories"):
        _apply(tmp_path, largest, group_by=("store",), columns=("size",))
    types = {"size": "string"}
    found = _apply(tmp_path, largest, types=types, group_by=("store",), columns=("size",))
    assert found["largest"].tolist() == ["S"] * 7  # as text
    with pytest.raises(RecipeError, match=r"'store' holds whole numbers"):
        _apply(tmp_path, first_label, group_by=("size",), columns=("store",), output_types={"label": "string"})


def test_a_function_that_needs_categories(tmp_path: Path) -> None:
    _frame().to_parquet(tmp_path / "1.parquet")
    with pytest.raises(RecipeError, match=r"\.cat accessor.*In a notebook it works.*'size' is stored as categories"):
        _apply(tmp_path, codes, columns=("size",))
