"""Functions over partitions: rows in blocks, and groups whole."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.errors import InputError, RecipeError, ScoringError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.audit import audit
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit

ROWS = 3000
NUMBERS = {"column_types": {"id": "int64", "site": "int64"}}


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    """Rows of 40 sites in no order; some without a value, some without a site."""
    chance = np.random.default_rng(0)
    made = pd.DataFrame(
        {"id": np.arange(ROWS), "site": chance.integers(0, 40, ROWS), "value": chance.normal(size=ROWS)}
    )
    made["site"] = made["site"].astype("Int64").mask(chance.random(ROWS) < 0.02)
    made["value"] = made["value"].mask(chance.random(ROWS) < 0.05)
    made.to_csv(tmp_path / "part_1.csv", index=False)
    return made


def _apply(folder: Path, function: Any, *, partition: str = "1", suffix: str = "csv", **options: Any) -> Manifest:
    names = ("group_by", "columns", "output_types", "row_wise")
    job_options = {name: options.pop(name) for name in names if name in options}
    engine = options.pop("engine", LocalDask(workers=2))
    read_options = options.pop("read_options", {} if suffix == "parquet" else NUMBERS)
    job = ScoringJob(
        PartitionedDataset(f"{folder}/part_{{p}}.{suffix}", read_options=read_options),
        None,
        f"{folder}/staged",
        function=FunctionJob(FunctionRef.of(function), **job_options),
        **{"keys": ("id",), "block_rows": 400, **options},
    )
    ((manifest, _),) = score_partitions(job, [{"p": partition}], engine)
    return manifest


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    """Leaves rows without a value out."""
    return (rows[["value"]] * 2).dropna()


def spread(rows: pd.DataFrame) -> pd.DataFrame:
    """Makes as many rows of each as its id modulo 3 says."""
    return pd.DataFrame({"copy": rows["id"]}).loc[rows.index.repeat((rows["id"] % 3).astype(int))]


def site_means(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(rows)], "mean": [rows["value"].mean()], "first": [rows["id"].iloc[0]]})


def test_rows_are_mapped_and_those_left_out_are_skipped(tmp_path: Path, frame: pd.DataFrame) -> None:
    manifest = _apply(tmp_path, doubled, columns=("value",))
    assert len(manifest.blocks) > 5
    kept = frame.dropna(subset=["value"])
    assert manifest.account == Account(ROWS, len(kept), ROWS - len(kept), 0)
    found = scores(manifest)
    assert found["id"].tolist() == kept["id"].tolist()
    np.testing.assert_allclose(found["value"], kept["value"] * 2)
    assert manifest.schema == {"id": "int64", "value": "double"}
    assert manifest.model is None
    assert audit([{"p": "1"}], [manifest]).problems == []


def test_text_is_written_as_text_whichever_type_pandas_keeps_it_in(tmp_path: Path, frame: pd.DataFrame) -> None:
    manifest = _apply(tmp_path, lambda rows: pd.DataFrame({"text": rows["id"].astype("string[pyarrow]")}))
    parts = [f"{manifest.folder}/{block.part}" for block in manifest.blocks]
    assert {str(pq.read_schema(part).field("text").type) for part in parts} == {"string"}
    assert list(scores(manifest)["text"]) == [str(number) for number in range(ROWS)]


def test_a_key_whose_first_rows_look_like_numbers_may_be_text(tmp_path: Path) -> None:
    rows = [f"{place},{place}" for place in range(1500)] + [f"x{place},{place}" for place in range(1500)]
    (tmp_path / "part_1.csv").write_text("\n".join(["id,value", *rows]) + "\n")
    manifest = _apply(tmp_path, lambda rows: rows[["value"]], columns=("value",), read_options={})
    assert manifest.account == Account(3000, 3000, 0, 0)
    assert scores(manifest)["id"].tolist() == [row.partition(",")[0] for row in rows]


def test_a_row_may_become_several(tmp_path: Path, frame: pd.DataFrame) -> None:
    manifest = _apply(tmp_path, spread)
    found = scores(manifest)
    assert found["id"].tolist() == [n for n in range(ROWS) for _ in range(n % 3)]
    assert manifest.account == Account(ROWS, ROWS * 2 // 3, ROWS // 3, 0)
    assert manifest.rows == len(found) == ROWS
    assert audit([{"p": "1"}], [manifest]).problems == []


@pytest.mark.parametrize("engine", [LocalDask(workers=2, processes=False), LocalDask(workers=2, processes=True)])
def test_groups_come_whole_wherever_their_rows_lie(tmp_path: Path, frame: pd.DataFrame, engine: LocalDask) -> None:
    manifest = _apply(tmp_path, site_means, group_by=("site",), keys=None, engine=engine)
    assert manifest.account == Account(ROWS, ROWS, 0, 0)
    found = scores(manifest).sort_values("site", na_position="last").reset_index(drop=True)
    grouped = frame.groupby("site", dropna=False)
    assert found["site"].isna().sum() == 1
    assert found["rows"].tolist() == grouped.size().tolist()
    assert found["first"].tolist() == grouped["id"].first().tolist()
    np.testing.assert_allclose(found["mean"], grouped["value"].mean())
    assert manifest.rows == 41
    assert not list(Path(manifest.folder).glob("groups/*"))
    assert audit([{"p": "1"}], [manifest]).problems == []


@pytest.mark.parametrize("suffix", ["csv.gz", "parquet"])
def test_groups_of_one_file_that_is_a_stream_or_parquet(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> None:
    if suffix == "parquet":
        frame.to_parquet(tmp_path / "part_1.parquet", row_group_size=500)
    else:
        (tmp_path / "part_1.csv.gz").write_bytes(gzip.compress((tmp_path / "part_1.csv").read_bytes()))
    manifest = _apply(tmp_path, site_means, group_by=("site",), keys=None, suffix=suffix)
    assert sorted(scores(manifest)["rows"]) == sorted(frame.groupby("site", dropna=False).size())


def test_groups_beside_a_column_of_any_type_where_a_bucket_stays_empty(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": range(60), "site": "one", "value": 1.0, "at": pd.Timestamp("2026-01-02", tz="UTC")})
    rows.to_parquet(tmp_path / "part_1.parquet", row_group_size=20)
    manifest = _apply(tmp_path, site_means, group_by=("site",), keys=None, suffix="parquet", block_rows=20)
    assert scores(manifest)["rows"].tolist() == [60]


def test_groups_by_several_columns_and_of_one_block(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.assign(odd=frame["id"] % 2 == 1).to_csv(tmp_path / "part_1.csv", index=False)
    several = _apply(tmp_path, site_means, group_by=("site", "odd"), keys=None)
    single = _apply(tmp_path, site_means, group_by=("site", "odd"), keys=None, block_rows=100_000, token="one block")
    assert len(single.blocks) == 1 < len(several.blocks)
    both = [scores(m).sort_values(["site", "odd"]).reset_index(drop=True) for m in (several, single)]
    pd.testing.assert_frame_equal(*both)
    assert both[0].columns.tolist() == ["site", "odd", "rows", "mean", "first"]


@pytest.mark.parametrize("whole", [{"group_by": ("site",)}, {"row_wise": False}], ids=str)
def test_a_partition_in_one_batch_keeps_the_rows_numbers_and_counts_short_rows(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    def picky(rows: pd.DataFrame) -> pd.DataFrame:
        if whole.get("group_by") and (rows["site"] == 2).any():
            raise ValueError("two is not a site that I like")
        return rows[["id"]].rename(columns={"id": "made"})

    (tmp_path / "part_1.csv").write_text("id,site,value\n0,1,1\n1,1,x\n2,2\n3,2,1\n")
    options: dict[str, Any] = {"keys": None, "output_types": {"made": "int64"}, **whole}
    read_options = {**NUMBERS, "column_types": {**NUMBERS["column_types"], "value": "float64"}, "pad_short_rows": True}
    manifest = _apply(tmp_path, picky, read_options=read_options, **options)
    (block,) = manifest.blocks
    assert block.padded == 1
    bad = pd.read_parquet(f"{manifest.folder}/{block.quarantine}")
    assert bad["row"].tolist() == ([1, 2, 3] if "group_by" in whole else [1])


@pytest.mark.parametrize("block_rows", [4, 1000])
def test_a_group_is_given_the_same_types_whatever_other_groups_lack(tmp_path: Path, block_rows: int) -> None:
    """Where a truth value is missing pandas has objects, of which ``~True`` is -2."""

    def off(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"off": [int((~rows["on"]).sum())], "type": [str(rows["count"].dtype)]})

    on, count = pa.array([None, *[True] * 11]), pa.array([None, *range(11)], pa.int64())
    table = pa.table({"site": np.repeat(["a", "b", "c"], 4), "on": on, "count": count})
    pq.write_table(table, tmp_path / "part_1.parquet", row_group_size=4)
    kinds = {"off": "int64", "type": "string"}
    options: dict[str, Any] = {"suffix": "parquet", "keys": None, "group_by": ("site",), "output_types": kinds}
    read_options = {"column_types": {"count": "int64"}}
    manifest = _apply(tmp_path, off, block_rows=block_rows, limit=Limit(4), read_options=read_options, **options)
    found = scores(manifest).sort_values("site")
    assert found.to_dict("list") == {"site": ["b", "c"], "off": [0, 0], "type": ["int64", "int64"]}


def test_a_row_whose_value_depends_on_what_other_rows_lack_is_refused_where_it_first_shows(tmp_path: Path) -> None:
    """Whole numbers of a block are floats where one is missing, so that ``astype(str)`` gives "2" or "2.0"."""

    def texts(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"text": rows["site"].astype(str)})

    rows = [f"{n},{n % 7},1" for n in range(2000)]
    (tmp_path / "part_1.csv").write_text("\n".join(["id,site,value", *rows]))
    assert scores(_apply(tmp_path, texts))["text"].tolist() == [str(n % 7) for n in range(2000)]
    rows[1900] = "1900,,1"
    (tmp_path / "part_1.csv").write_text("\n".join(["id,site,value", *rows]))
    with pytest.raises(RecipeError, match=r"p=1, block.*does not look at each row alone.*'text'"):
        _apply(tmp_path, texts)


def total_of_all(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sum(axis=1).to_frame("total")


def test_other_columns_for_a_function_are_other_scores(tmp_path: Path) -> None:
    (tmp_path / "part_1.csv").write_text("id,a,b\n1,1,10\n2,2,20\n")
    for columns, expected in ((("a",), [1, 2]), (("a", "b"), [11, 22])):
        found = _apply(tmp_path, total_of_all, columns=columns, read_options={})
        assert scores(found)["total"].tolist() == expected


def test_a_retry_does_only_what_is_missing(tmp_path: Path, frame: pd.DataFrame) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()

    def failing(rows: pd.DataFrame) -> pd.DataFrame:
        if len(list(marks.iterdir())) >= 20 and not (tmp_path / "mended").exists():
            raise OSError("the disk is away")
        (marks / str(rows["site"].iloc[0])).touch()
        return site_means(rows)

    types = {"rows": "int64", "mean": "double", "first": "double"}
    options: dict[str, Any] = {"group_by": ("site",), "keys": None, "output_types": types, "limit": Limit(0)}
    with pytest.raises(ScoringError, match="more than 0 rows are in groups that fail, the last .* OSError: the disk"):
        _apply(tmp_path, failing, **options)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("staged/**/part-*")}
    assert before
    (tmp_path / "mended").touch()
    manifest = _apply(tmp_path, failing, **options)
    assert sorted(scores(manifest)["rows"]) == sorted(frame.groupby("site", dropna=False).size())
    now = {path: path.stat().st_mtime_ns for path in tmp_path.glob("staged/**/part-*")}
    assert {path: now[path] for path in before if "groups" not in str(path)} == {
        path: time for path, time in before.items() if "groups" not in str(path)
    }


def test_bad_rows_and_bad_groups_go_to_quarantine(tmp_path: Path, frame: pd.DataFrame) -> None:
    lines = (tmp_path / "part_1.csv").read_text().splitlines()
    lines[7] = "6"
    (tmp_path / "part_1.csv").write_text("\n".join(lines) + "\n")

    def picky(rows: pd.DataFrame) -> pd.DataFrame:
        if (rows["site"] == 5).any():
            raise ValueError("five is not a site that I like")
        return site_means(rows)

    fives = int((frame["site"] == 5).fillna(False).sum()) - int(frame["site"][6] == 5)
    types = {"rows": "int64", "mean": "double", "first": "double"}
    manifest = _apply(tmp_path, picky, group_by=("site",), keys=None, output_types=types)
    assert manifest.account == Account(ROWS, ROWS - fives - 1, 0, fives + 1)
    bad = pd.concat([pd.read_parquet(f"{manifest.folder}/{b.quarantine}") for b in manifest.blocks if b.quarantine])
    assert bad["error"].value_counts().to_dict() == {"ValueError": fives, "ParseError": 1}


def test_groups_in_quarantine_can_be_replayed(tmp_path: Path, frame: pd.DataFrame) -> None:
    def picky(rows: pd.DataFrame) -> pd.DataFrame:
        if (rows["site"] == 5).any() and not (tmp_path / "mended").exists():
            raise ValueError("five is not a site that I like")
        return site_means(rows)

    options: dict[str, Any] = {"group_by": ("site",), "keys": None}
    options["output_types"] = {"rows": "int64", "mean": "double", "first": "double"}
    assert _apply(tmp_path, picky, **options).account.rows_quarantined > 0
    (tmp_path / "mended").touch()
    manifest = _apply(tmp_path, picky, replay=True, **options)
    assert manifest.account == Account(ROWS, ROWS, 0, 0)
    assert manifest.replays == 1
    assert sorted(scores(manifest)["rows"]) == sorted(frame.groupby("site", dropna=False).size())


def test_rows_that_make_a_function_raise_are_found_one_by_one(tmp_path: Path, frame: pd.DataFrame) -> None:
    def picky(rows: pd.DataFrame) -> pd.DataFrame:
        if rows["id"].isin([70, 2071]).any():
            raise ValueError("not these")
        return rows[["value"]]

    manifest = _apply(tmp_path, picky, output_types={"value": "double"})
    assert manifest.account == Account(ROWS, ROWS - 2, 0, 2)
    assert set(range(ROWS)) - set(scores(manifest)["id"]) == {70, 2071}


def test_other_code_is_another_identity_and_the_same_is_reused(tmp_path: Path, frame: pd.DataFrame) -> None:
    first = _apply(tmp_path, doubled)
    assert _apply(tmp_path, doubled).uri == first.uri
    assert _apply(tmp_path, lambda rows: rows[["value"]] * 2).identity != first.identity
    assert _apply(tmp_path, site_means, group_by=("site",), keys=None).identity != first.identity


def _types(**types: str) -> dict[str, Any]:
    return {"output_types": types}


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (lambda rows: 3, {}, "returned int, which does not say which row each value belongs to"),
        (lambda rows: rows[["value"]].dropna().reset_index(drop=True), _types(value="double"), "lost the index"),
        (lambda rows: rows[["value"]].set_index(rows["id"] * 10), {}, "lost the index"),
        (lambda rows: rows[["value"]].fillna(rows["value"].mean()), {}, "does not look at each row alone"),
        (lambda rows: rows[["value"]].rank(), _types(value="double"), "does not look at each row alone"),
        (lambda rows: rows[["value"]].astype(str), _types(value="double"), "'value' does not fit double"),
        (site_means, {"group_by": ("site",), "keys": None, "row_wise": False}, "group_by gives .* whole groups"),
        (lambda rows: rows[["no"]], {}, "raised KeyError.*when it was tried on the first .*output_types"),
        (lambda rows: rows[["value"]].head(0), {}, "gave no values in .*output_types"),
        (lambda rows: rows[["value"]], _types(value="number"), "has the type 'number'; columns can be"),
        (lambda rows: rows[["value"]], _types(other="double"), "without 'other'; it must give the same"),
        (lambda rows: rows[["value"]].assign(value="x"), _types(value="double"), "'value' does not fit double"),
        (doubled, {"keys": ("nobody",)}, r"lacks the columns \['nobody'\]"),
        (site_means, {"group_by": ("site",)}, r"with group_by the keys are the columns \['site'\]"),
        ("no_module:f", {}, "'no_module:f' cannot be imported here"),
    ],
)
def test_a_function_that_breaks_its_contract_is_named(
    tmp_path: Path, frame: pd.DataFrame, function: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((InputError, RecipeError), match=message):
        _apply(tmp_path, function, **options)
    assert not list(tmp_path.glob("staged/**/manifests/*.json"))
