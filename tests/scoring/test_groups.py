"""Groups come whole, wherever in a partition their rows lie."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from applied import ROWS, apply, site_means
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.errors import BatchScoreError, InputError, ScoringError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "engine",
    [
        LocalDask(workers=2, processes=False),
        pytest.param(LocalDask(workers=2, processes=True), marks=pytest.mark.slow),
    ],
)
def test_groups_come_whole_wherever_their_rows_lie(tmp_path: Path, frame: pd.DataFrame, engine: LocalDask) -> None:
    manifest = apply(tmp_path, site_means, group_by=("site",), keys=None, engine=engine)
    assert manifest.account == Account(ROWS, ROWS, 0, 0)
    found = scores(manifest).sort_values("site", na_position="last").reset_index(drop=True)
    grouped = frame.groupby("site", dropna=False)
    assert found["site"].isna().sum() == 1
    assert found["rows"].tolist() == grouped.size().tolist()
    assert found["first"].tolist() == grouped["id"].first().tolist()
    np.testing.assert_allclose(found["mean"], grouped["value"].mean())
    assert manifest.rows == 41
    assert not list(Path(manifest.folder.uri).glob("groups/*"))
    assert audit([{"p": "1"}], [manifest]).problems == []


@pytest.mark.parametrize("suffix", ["csv.gz", "parquet"])
def test_groups_of_one_file_that_is_a_stream_or_parquet(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> None:
    if suffix == "parquet":
        frame.to_parquet(tmp_path / "part_1.parquet", row_group_size=500)
    else:
        (tmp_path / "part_1.csv.gz").write_bytes(gzip.compress((tmp_path / "part_1.csv").read_bytes()))
    manifest = apply(tmp_path, site_means, group_by=("site",), keys=None, suffix=suffix)
    assert sorted(scores(manifest)["rows"]) == sorted(frame.groupby("site", dropna=False).size())


def test_groups_beside_a_column_of_any_type_where_a_bucket_stays_empty(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": range(60), "site": "one", "value": 1.0, "at": pd.Timestamp("2026-01-02", tz="UTC")})
    rows.to_parquet(tmp_path / "part_1.parquet", row_group_size=20)
    manifest = apply(tmp_path, site_means, group_by=("site",), keys=None, suffix="parquet", block_rows=20)
    assert scores(manifest)["rows"].tolist() == [60]


def test_groups_by_several_columns_and_of_one_block(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.assign(odd=frame["id"] % 2 == 1).to_csv(tmp_path / "part_1.csv", index=False)
    several = apply(tmp_path, site_means, group_by=("site", "odd"), keys=None)
    single = apply(tmp_path, site_means, group_by=("site", "odd"), keys=None, block_rows=100_000, token="one block")
    assert len(single.blocks) == 1 < len(several.blocks)
    both = [scores(m).sort_values(["site", "odd"]).reset_index(drop=True) for m in (several, single)]
    pd.testing.assert_frame_equal(*both)
    assert both[0].columns.tolist() == ["site", "odd", "rows", "mean", "first"]


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
    manifest = apply(tmp_path, off, block_rows=block_rows, limit=Limit(4), read_options=read_options, **options)
    found = scores(manifest).sort_values("site")
    assert found.to_dict("list") == {"site": ["b", "c"], "off": [0, 0], "type": ["int64", "int64"]}


def test_a_retry_does_only_what_is_missing(tmp_path: Path, frame: pd.DataFrame) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()

    def failing(rows: pd.DataFrame) -> pd.DataFrame:
        if len(list(marks.iterdir())) >= 20 and not (tmp_path / "fixed").exists():
            raise OSError("the disk is away")
        (marks / str(rows["site"].iloc[0])).touch()
        return site_means(rows)

    types = {"rows": "int64", "mean": "double", "first": "double"}
    options: dict[str, Any] = {"group_by": ("site",), "keys": None, "output_types": types, "limit": Limit(0)}
    with pytest.raises(ScoringError, match="more than 0 rows are in groups that fail, the last .* OSError: the disk"):
        apply(tmp_path, failing, **options)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("staged/**/part-*")}
    assert before
    (tmp_path / "fixed").touch()
    manifest = apply(tmp_path, failing, **options)
    assert sorted(scores(manifest)["rows"]) == sorted(frame.groupby("site", dropna=False).size())
    now = {path: path.stat().st_mtime_ns for path in tmp_path.glob("staged/**/part-*")}
    assert {path: now[path] for path in before if "groups" not in str(path)} == {
        path: time for path, time in before.items() if "groups" not in str(path)
    }


def test_a_stream_whose_groups_need_several_parts_has_a_layout(tmp_path: Path, frame: pd.DataFrame) -> None:
    """Its parts have the layout's name, and a retry with other memory would cut it otherwise."""
    frame.to_csv(tmp_path / "part_1.csv.gz", index=False)
    manifest = apply(tmp_path, site_means, suffix="csv.gz", group_by=("site",), keys=None)
    assert list(Path(manifest.folder.uri).glob("blocks-*.json"))


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
    manifest = apply(tmp_path, picky, group_by=("site",), keys=None, output_types=types)
    assert manifest.account == Account(ROWS, ROWS - fives - 1, 0, fives + 1)
    bad = pd.concat([pd.read_parquet(f"{manifest.folder}/{b.quarantine}") for b in manifest.blocks if b.quarantine])
    assert bad["error"].value_counts().to_dict() == {"ValueError": fives, "ParseError": 1}


def test_groups_in_quarantine_can_be_replayed(tmp_path: Path, frame: pd.DataFrame) -> None:
    def picky(rows: pd.DataFrame) -> pd.DataFrame:
        if (rows["site"] == 5).any() and not (tmp_path / "fixed").exists():
            raise ValueError("five is not a site that I like")
        return site_means(rows)

    options: dict[str, Any] = {"group_by": ("site",), "keys": None}
    options["output_types"] = {"rows": "int64", "mean": "double", "first": "double"}
    assert apply(tmp_path, picky, **options).account.rows_quarantined > 0
    (tmp_path / "fixed").touch()
    manifest = apply(tmp_path, picky, replay=True, **options)
    assert manifest.account == Account(ROWS, ROWS, 0, 0)
    assert manifest.replays == 1
    assert sorted(scores(manifest)["rows"]) == sorted(frame.groupby("site", dropna=False).size())


def _grouped(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(rows)]})


@pytest.mark.parametrize(
    "values",
    [
        pa.array([0.0, -0.0, 1.5, None, float("nan")] * 40),
        pa.array([0.0, -0.0, 1.5, None, float("nan")] * 40, pa.float32()),
        pa.array(["\0", None, "", "0", "None"] * 40),
        pa.array(["x", None, "y", "z", "x"] * 40).dictionary_encode(),
        pa.array([True, None, False, True, None] * 40),
        pa.array([1, None, 3, 4, 5] * 40, pa.timestamp("us")),
        pa.array([1, None, 3, 4, 5] * 40).cast(pa.decimal128(30, 2)),
        pa.array([1, None, 3, 4, 5] * 40, pa.duration("s")),
    ],
    ids=str,
)
def test_groups_are_the_same_in_one_block_and_in_many(tmp_path: Path, values: pa.Array) -> None:
    place = pa.array([n * 13 % 200 for n in range(200)])
    pq.write_table(pa.table({"by": values.take(place)}), tmp_path / "part_1.parquet", row_group_size=20)
    found = []
    for rows in (20, 10_000):
        options = {"keys": None, "group_by": ("by",), "block_rows": rows, "output_uri": f"{tmp_path}/staged{rows}"}
        manifest = apply(tmp_path, _grouped, suffix="parquet", **options)
        parts = [pq.read_table(f"{manifest.folder}/{block.part}") for block in manifest.blocks]
        found.append(sorted((str(row["by"]), row["rows"]) for part in parts for row in part.to_pylist()))
    assert found[0] == found[1]
    plain = Counter(None if value != value else value for value in values.to_pylist())
    assert sorted(rows for _, rows in found[0]) == sorted(plain.values())
    assert not any(value in ("-0.0", "nan") for value, _ in found[0])


def test_a_column_that_cannot_make_groups_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"by": [[1], [2]] * 20}), tmp_path / "part_1.parquet", row_group_size=20)
    options: dict[str, Any] = {"keys": None, "group_by": ("by",), "output_types": {"rows": "int64"}}
    for rows in (20, 100):
        with pytest.raises(InputError, match="the column 'by' is list<.*cannot make groups"):
            apply(tmp_path, _grouped, suffix="parquet", block_rows=rows, **options)


def _total(group: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"v": [float(group["v"].sum())]})


def test_a_groups_integers_are_not_rounded_beside_another_blocks_missing_one(tmp_path: Path) -> None:
    """Each block alone passes: one has a missing value, the other large ones."""
    rows = pd.DataFrame({"id": range(60), "site": "one", "v": pd.array([None] * 3 + [2**53 + 1] * 57, dtype="Int64")})
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), tmp_path / "part_1.parquet", row_group_size=3)
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.parquet", read_options={"column_types": {"v": "int64"}})
    function = FunctionJob(FunctionRef.of(_total), ("site",), ("v",), {"v": "double"})
    job = ScoringJob(dataset, function, f"{tmp_path}/staged", block_rows=3, limit=Limit(0))
    with pytest.raises(BatchScoreError, match="is above 2.*53, and pandas makes floats of integers"):
        list(score_partitions(job, [{"p": "1"}], LocalDask(processes=False)))
