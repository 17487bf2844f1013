"""Functions that would give something else with the types that a notebook has are refused, with a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.errors import RecipeError, ScoringError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit

ROWS = 1500


def _apply(folder: Path, function: Any, *, types: dict[str, str] | None = None, **options: Any) -> Any:
    (path,) = folder.glob("1.*")
    job = ScoringJob(
        dataset=PartitionedDataset(f"{folder}/{{p}}{path.suffix}", read_options={"column_types": types or {}}),
        scored_with=FunctionJob(FunctionRef.of(function), **options),
        output_uri=f"{folder}/staged",
        spec=OutputSpec.of("predict"),
        keys=() if options.get("group_by") else ("id",),
        block_rows=400,
        limit=Limit.of("0"),
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


def parted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame["name"].str.split("-", expand=True)


def doubled(frame: pd.DataFrame) -> Any:
    return frame["store"] * frame["two"]


def colliding(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({0: frame["store"], "0": frame["store"]})


def _names(folder: Path) -> pd.DataFrame:
    frame = _frame().assign(name=lambda made: made["id"] + "-x", two=2)
    frame.to_csv(folder / "1.csv", index=False)
    return frame


@pytest.mark.parametrize("row_wise", [True, False])
@pytest.mark.parametrize("declared", [True, False])
def test_columns_that_pandas_numbers_are_named_by_text(tmp_path: Path, declared: bool, row_wise: bool) -> None:
    frame = _names(tmp_path)
    types = {"output_types": {"0": "string", "1": "string"}} if declared else {}
    found = _apply(tmp_path, parted, row_wise=row_wise, **types)
    assert found.columns.tolist() == ["id", "0", "1"]
    assert found["0"].tolist() == frame["id"].tolist()
    types = {"output_types": {"0": "double"}} if declared else {}
    assert _apply(tmp_path, doubled, row_wise=row_wise, **types)["0"].tolist() == (frame["store"] * 2).tolist()
    with pytest.raises(RecipeError, match=r"more than one column that is called \['0'\] as text"):
        _apply(tmp_path, colliding, row_wise=row_wise, output_types={"0": "double"})


def test_so_are_those_of_groups(tmp_path: Path) -> None:
    frame = _names(tmp_path)
    found = _apply(tmp_path, parted, group_by=("store",), columns=("name",))
    assert sorted(found["0"]) == sorted(frame["id"])
    assert sorted(_apply(tmp_path, doubled, group_by=("size",), columns=("store", "two"))["0"]) == sorted(
        2 * frame["store"]
    )


def _mean(frame: pd.DataFrame) -> Any:
    return frame[["store"]].mean()


def _of_sizes(frame: pd.DataFrame) -> Any:
    return frame.groupby("size")["store"].sum()


def _described(frame: pd.DataFrame) -> Any:
    return frame[["store"]].describe()


@pytest.mark.parametrize(
    ("lost", "mended", "columns"),
    [
        (_mean, lambda frame: _mean(frame).to_frame().T, ["name", "store"]),
        (_of_sizes, lambda frame: _of_sizes(frame).reset_index(), ["name", "size", "store"]),
        (_described, lambda frame: _described(frame).reset_index(drop=True), ["name", "store"]),
        (lambda frame: frame.iloc[0], lambda frame: frame.iloc[[0]], ["name", "store", "size"]),
    ],
)
def test_labels_of_a_group_are_not_lost_silently(tmp_path: Path, lost: Any, mended: Any, columns: list[str]) -> None:
    frame = _frame().assign(name=lambda made: (made["store"] > 3).map({True: "far", False: "near"}))
    frame.to_csv(tmp_path / "1.csv", index=False)
    options: dict[str, Any] = {"group_by": ("name",), "columns": ("store", "size"), "types": {"store": "int64"}}
    with pytest.raises(RecipeError, match=r"whose index has labels or a name.*\.reset_index\(\).*\.to_frame\(\)\.T"):
        _apply(tmp_path, lost, **options)
    with pytest.raises(RecipeError, match="whose index has labels or a name"):
        _apply(tmp_path, lost, output_types={"store": "double"}, **options)
    assert sorted(_apply(tmp_path, mended, **options).columns) == sorted(columns)


class CxxError(Exception):
    pass


def _failing(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["store"] == 3).any():
        raise CxxError(
            "[22:10:11] src/c_api.cc:42: bad value\nfor a row\nStack trace:\n  [bt] (0) libxgboost.so(+0x1)\n"
        )
    return frame[["store"]]


def test_the_stack_of_a_library_stays_out_of_messages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _frame().to_csv(tmp_path / "1.csv", index=False)
    with pytest.raises(ScoringError, match="bad value\nfor a row") as caught:
        _apply(tmp_path, _failing, output_types={"store": "double"})
    assert "Stack trace" not in str(caught.value) + caplog.text
