"""What a function in a model's place is given, and which of its columns are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.errors import InputError, RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit


def _apply(folder: Path, function: Any, **options: Any) -> Manifest:
    names = ("group_by", "columns", "output_types", "row_wise")
    of = FunctionJob(FunctionRef.of(function), **{name: options.pop(name) for name in names if name in options})
    suffix, kind = options.pop("suffix", ".csv"), options.pop("format", None)
    read_options = options.pop("read_options", {})
    dataset = PartitionedDataset(f"{folder}/part_{{p}}{suffix}", read_options=read_options, format=kind)
    job = ScoringJob(dataset, of, f"{folder}/staged", **{"keys": ("id",), "block_rows": 100, **options})
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=1, processes=False))
    return manifest


def _write(folder: Path, text: str, partition: int = 1) -> None:
    (folder / f"part_{partition}.csv").write_text(text)


def total(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sum(axis=1).to_frame("total")


def total_of_group(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"total": [rows.to_numpy().sum()], "given": [",".join(rows.columns)]})


def test_a_function_is_given_exactly_the_columns_that_are_named(tmp_path: Path) -> None:
    table = pa.table({"id": [1000, 1001], "a": [1.0, 2.0], "c": [10.0, 20.0]})
    pq.write_table(table, tmp_path / "part_1.parquet")
    for columns, expected in (("a",), [1, 2]), (("a", "c"), [11, 22]), (("a", "id"), [1001, 1003]):
        found = scores(_apply(tmp_path, total, suffix=".parquet", columns=columns))
        assert found.to_dict("list") == {"id": [1000, 1001], "total": expected}


@pytest.mark.parametrize("block_rows", [1, 100])
def test_a_group_has_the_columns_that_are_named_and_its_values_go_along(tmp_path: Path, block_rows: int) -> None:
    _write(tmp_path, "site,a,b\n1,1,100\n2,2,100\n1,3,100\n2,4,100\n")
    options: dict[str, Any] = {"group_by": ("site",), "keys": None, "block_rows": block_rows}
    found = scores(_apply(tmp_path, total_of_group, columns=("a",), **options)).sort_values("site")
    assert found.to_dict("list") == {"site": ["1", "2"], "total": [4, 6], "given": ["a", "a"]}
    every = scores(_apply(tmp_path, total_of_group, read_options={"column_types": {"site": "int64"}}, **options))
    assert sorted(every["total"]) == [206, 210]


def test_no_columns_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, "id,a\n1,1\n")
    with pytest.raises(InputError, match=r"columns=\[\] leaves nothing to give"):
        _apply(tmp_path, total, columns=())


@pytest.mark.parametrize("row_wise", [True, False])
def test_a_column_that_is_also_a_key_has_one_type_for_the_function(tmp_path: Path, row_wise: bool) -> None:
    (tmp_path / "part_1").mkdir()
    for number, ids in enumerate([pa.array([5, 2**53 + 1]), pa.array([7.0, 8.0])]):
        pq.write_table(pa.table({"id": ids}), tmp_path / "part_1" / f"{number}.parquet")

    def texts(rows: pd.DataFrame) -> pd.DataFrame:
        return (rows["id"].astype(str) + "!").to_frame("text")

    found = scores(_apply(tmp_path, texts, suffix="/", format="parquet", columns=("id",), row_wise=row_wise))
    assert found["text"].tolist() == ["5!", f"{2**53 + 1}!", "7!", "8!"]
    assert found["id"].tolist() == [5, 2**53 + 1, 7, 8]


@pytest.mark.parametrize("columns", [None, ("a",)])
def test_a_whole_partition_may_have_keys_that_no_float_holds_beside_floats(tmp_path: Path, columns: Any) -> None:
    (tmp_path / "part_1").mkdir()
    for number, ids in enumerate([pa.array([7.0, 8.0]), pa.array([5, 2**53 + 1])]):
        pq.write_table(pa.table({"id": ids, "a": [1.0, 2.0]}), tmp_path / "part_1" / f"{number}.parquet")
    options: dict[str, Any] = {"suffix": "/", "format": "parquet", "columns": columns, "row_wise": False}
    manifest = _apply(tmp_path, lambda rows: rows[["a"]], **options)
    assert manifest.account.rows_quarantined == (0 if columns else 1)
    assert scores(manifest)["id"].tolist() == [7, 8, 5, 2**53 + 1][: 4 if columns else 3]


def alarms(rows: pd.DataFrame) -> pd.DataFrame:
    made = rows[["a"]].copy()
    if (made["a"] > 2500).any():
        made["alarm"] = 1
    return made


def kinds(rows: pd.DataFrame) -> pd.DataFrame:
    return rows["kind"].value_counts().to_frame().T.reset_index(drop=True)


def test_a_column_that_the_first_rows_did_not_give_is_refused(tmp_path: Path) -> None:
    lines = [f"{n},{n // 100:02d},{n},{'broken' if n == 2900 else 'ok'}" for n in range(3000)]
    _write(tmp_path, "\n".join(["id,site,a,kind", *lines]))
    named: dict[str, Any] = {"columns": ("kind",), "group_by": ("site",), "keys": None}
    with pytest.raises(RecipeError, match=r"gave the columns \['broken'\] here.*\{'ok': 'int64', 'broken'"):
        _apply(tmp_path, kinds, **named)
    with pytest.raises(RecipeError, match=r"gave the columns \['alarm'\] here.*first rows of the partition"):
        _apply(tmp_path, alarms, columns=("a",), row_wise=False)
    # Named by a person, others are left out, and such scores are not those of a job that names none.
    left = _apply(tmp_path, alarms, columns=("a",), row_wise=False, output_types={"a": "double"})
    assert left.schema == {"id": "string", "a": "double"}
    with pytest.raises(RecipeError, match=r"gave the columns \['alarm'\]"):
        _apply(tmp_path, alarms, columns=("a",), row_wise=False)


@pytest.mark.parametrize(
    ("content", "read_options", "message"),
    [
        (b"id,a\n1,\xe9\n2,\xe8\n", {}, r"The first, row 0 of block 0 .*column 'a': expected UTF-8 text"),
        (b'id,a\n1,"1,5"\n', {"column_types": {"a": "float64"}}, r"The first, row 0 .*expected a number, found '1,5'"),
    ],
)
@pytest.mark.parametrize("group_by", [(), ("id",)])
def test_a_partition_without_a_row_that_can_be_read_says_why(
    tmp_path: Path, content: bytes, read_options: dict[str, Any], message: str, group_by: tuple[str, ...]
) -> None:
    (tmp_path / "part_1.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"partition p=1: no row can be read.*{message}.*output_types="):
        keys = None if group_by else ("id",)
        _apply(tmp_path, total, columns=("a",), read_options=read_options, group_by=group_by, keys=keys)


def test_a_partition_with_a_header_alone_has_the_columns_of_another_one(tmp_path: Path) -> None:
    _write(tmp_path, "id,a\n")
    with pytest.raises(InputError, match=r"partition p=1: .*part_1.csv holds no rows.*allow_empty=True"):
        _apply(tmp_path, total, columns=("a",))
    with pytest.raises(InputError, match=r"part_1.csv holds no rows, and neither does any other.*output_types="):
        _apply(tmp_path, total, columns=("a",), allow_empty=True)
    declared = _apply(tmp_path, total, columns=("a",), allow_empty=True, output_types={"total": "double"})
    _write(tmp_path, "id\n", 0)
    _write(tmp_path, "id,a\n", 2)
    _write(tmp_path, "id,a\n7,1.5\n", 3)
    for manifest in declared, _apply(tmp_path, total, columns=("a",), allow_empty=True):
        assert manifest.account.rows_read == 0
        assert manifest.schema == {"id": "string", "total": "double"}


def test_a_file_with_a_header_alone_says_nothing_about_the_types_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "part_1").mkdir()
    for number, text in enumerate(["id,a\n", "id,a\n1,2\n2,3\n"]):
        (tmp_path / "part_1" / f"{number}.csv").write_text(text)
    found = scores(_apply(tmp_path, lambda rows: rows[["a"]] + 1, columns=("a",), suffix="/", format="csv"))
    assert found["a"].tolist() == [3, 4]


def test_a_parquet_file_without_the_type_of_a_column_leaves_it_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "part_1").mkdir()
    for number, values in enumerate([pa.nulls(1), pa.array([2])]):
        pq.write_table(pa.table({"id": ["x"], "a": values}), tmp_path / "part_1" / f"{number}.parquet")
    found = scores(_apply(tmp_path, lambda rows: rows[["a"]] + 1, columns=("a",), suffix="/", format="parquet"))
    assert found["a"].isna().tolist() == [True, False]
    assert found["a"].tolist()[1] == 3


def test_files_of_other_kinds_are_said_in_words_for_a_function_too(tmp_path: Path) -> None:
    (tmp_path / "part_1").mkdir()
    for number, values in enumerate([[1.0], ["x"]]):
        pq.write_table(pa.table({"id": ["x"], "a": values}), tmp_path / "part_1" / f"{number}.parquet")
    with pytest.raises(
        InputError, match=r"1.parquet.*'a' is string.*float64 \(for a function.*first file.*column_types"
    ):
        _apply(tmp_path, lambda rows: rows[["a"]], columns=("a",), suffix="/", format="parquet")


@pytest.mark.parametrize("group_by", [(), ("site",)])
def test_a_column_that_is_empty_at_first_is_not_taken_for_text(tmp_path: Path, group_by: tuple[str, ...]) -> None:
    """2 would arrive as "2", and ``isin([2])`` would quietly say no."""
    lines = [f"{n:012d},{'x' * 20},{'' if n < 9000 else 2}" for n in range(10000)]
    _write(tmp_path, "\n".join(["id,site,promo", *lines]))

    def is_two(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"two": rows["promo"].isin([2]).astype(int)}, index=rows.index)

    keys = None if group_by else ("id",)
    options: dict[str, Any] = {"columns": ("promo",), "group_by": group_by, "keys": keys, "block_rows": 1000}
    with pytest.raises(InputError, match=r"p=1, block \d+ .*csv: column 'promo' has values here \('2'\).*column_types"):
        _apply(tmp_path, is_two, **options)
    manifest = _apply(tmp_path, is_two, read_options={"column_types": {"promo": "float64"}}, **options)
    assert scores(manifest)["two"].sum() == 1000


def test_a_function_that_fails_is_told_which_columns_it_was_given(tmp_path: Path) -> None:
    _write(tmp_path, "id,a,b\n1,2,3\n")
    with pytest.raises(RecipeError, match=r"raised KeyError: 'id'.*was given the columns b, a \(columns="):
        _apply(tmp_path, lambda rows: rows["id"].to_frame(), columns=("b", "a"))


def test_an_output_that_is_called_like_a_group_column_is_refused(tmp_path: Path) -> None:
    """The group's own value would take its place."""
    _write(tmp_path, "id,site,v\n1,a,1\n2,a,2\n")
    with pytest.raises(InputError, match=r"output_types names \['v'\], but these are the columns of group_by"):
        _apply(tmp_path, total, group_by=("v",), keys=None, output_types={"v": "double"})
