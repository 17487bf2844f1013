"""Partitions of the rows of one file are trained on, scored, resumed, replayed and published like those of files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packages import install
from publications import publish
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.parquet_format import Parquet
from airflow_batchscore.data.formats.registry import GROUP
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.errors import InputError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.plan.models import NoModel, OneModel
from airflow_batchscore.plan.packing import make_plan, requested_partitions
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.evaluation import evaluate
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

ENGINE = LocalDask(workers=2, processes=False)
ROWS = 600


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": frame["a"] * 2}, index=frame.index)


def total(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(frame)], "sum": [frame["a"].sum()]})


def ranked(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rank": frame["a"].rank()}, index=frame.index)


def _frame() -> pd.DataFrame:
    """Users in no order, every 20th row without one."""
    chance = np.random.default_rng(0)
    users = pd.Series(chance.integers(0, 100, ROWS)).astype("Int64").mask(np.arange(ROWS) % 20 == 7)
    frame = pd.DataFrame({"user_id": users, "a": chance.normal(size=ROWS), "b": chance.integers(0, 5, ROWS)})
    return frame.assign(label=(frame["a"] + frame["b"] > 2).astype(int))


@pytest.fixture(params=[".csv", ".parquet"])
def games(tmp_path: Path, request: pytest.FixtureRequest) -> PartitionedDataset:
    path = f"{tmp_path}/games{request.param}"
    if request.param == ".csv":
        _frame().to_csv(path, index=False)
    else:
        _frame().to_parquet(path, row_group_size=90)
    return PartitionedDataset(path, partition_by="user_id % 4")


def _model(games: PartitionedDataset, folder: Path) -> OneModel:
    recipe = Recipe(target="label", keys=["user_id", "_row"], columns=["a", "b"])
    job = TrainingJob(games, "0..1", recipe, "sklearn.linear_model:LogisticRegression", f"{folder}/model", holdout=[2])
    return OneModel(train(job).ref)


def _job(games: PartitionedDataset, folder: Path, **options: Any) -> ScoringJob:
    given = {"scored_with": _model(games, folder)} if "scored_with" not in options else {}
    return ScoringJob(games, output_uri=f"{folder}/staged", block_rows=100, **{**given, **options})


def _score(job: ScoringJob, *wanted: str) -> list[Manifest]:
    values = [p.values for p in job.dataset.require(list(wanted) or None)]
    return [manifest for manifest, _ in score_partitions(job, values, ENGINE)]


def _function(function: Any, **options: Any) -> FunctionJob:
    return FunctionJob(FunctionRef.of(function), columns=("a",), **options)


def test_the_scores_of_all_partitions_are_those_of_the_file(games: PartitionedDataset, tmp_path: Path) -> None:
    job = _job(games, tmp_path)
    manifests = _score(job)
    frame = _frame()
    assert sum(manifest.account.rows_read for manifest in manifests) == ROWS
    assert [manifest.partition["user_id_mod_4"] for manifest in manifests] == ["0", "1", "2", "3", NO_VALUE]
    assert manifests[-1].account.rows_read == frame["user_id"].isna().sum() == 30
    assert len({manifest.identity for manifest in manifests}) == 5
    for bucket, manifest in enumerate(manifests[:4]):
        assert set(scores(manifest)["_row"]) == set(frame.index[frame["user_id"] % 4 == bucket])
    found = pd.concat(map(scores, manifests)).sort_values("_row")
    model = artifact.load(job.scored_with.pinned[0]).estimator
    assert found["prediction"].tolist() == model.predict(frame[["a", "b"]].astype(float)).tolist()
    again = score_partitions(job, [manifest.partition for manifest in manifests], ENGINE)
    assert all(reused for _, reused in again)
    assert evaluate(job.scored_with.pinned[0], games, ["3"], require={}).rows == manifests[3].account.rows_read
    for name, options in (("out", ", hive_partitioning=true"), ("out.parquet", "")):
        publish(manifests, tmp_path / name)
        place = f"{tmp_path}/{name}" + ("" if "." in name else "/**/*.parquet")
        query = "SELECT user_id_mod_4 f, count(*) FROM read_parquet('{}'{}) GROUP BY f ORDER BY f NULLS LAST"
        counts = [len(scores(manifest)) for manifest in manifests]
        assert duckdb.sql(query.format(place, options)).fetchall() == [*zip([0, 1, 2, 3, None], counts, strict=True)]


def test_a_change_of_the_file_scores_all_of_its_partitions_again(games: PartitionedDataset, tmp_path: Path) -> None:
    job = _job(games, tmp_path)
    before = _score(job)
    frame = pd.concat([_frame(), _frame().head(1)])
    if games.uri.endswith(".csv"):
        frame.to_csv(games.uri, index=False)
    else:
        frame.to_parquet(games.uri)
    after = _score(job)
    assert not {m.identity for m in before} & {m.identity for m in after}
    assert sum(manifest.account.rows_read for manifest in after) == ROWS + 1


def test_a_row_that_cannot_be_read_stays_with_its_user_and_is_replayed(tmp_path: Path) -> None:
    frame = _frame().astype({"a": object})
    frame.loc[10, "a"] = "x"
    path = f"{tmp_path}/games.csv"
    frame.assign(a=_frame()["a"]).to_csv(path, index=False)
    job = _job(PartitionedDataset(path, partition_by="user_id % 4"), tmp_path)
    frame.to_csv(path, index=False)
    with open(path, "a") as file:
        file.write("1,2\n")
    bucket = str(int(frame["user_id"][10]) % 4)
    manifests = {manifest.partition["user_id_mod_4"]: manifest for manifest in _score(job)}
    assert sum((manifest.account for manifest in manifests.values()), Account()) == Account(601, 599, 0, 2)
    (block,) = [block for block in manifests[bucket].blocks if block.quarantine]
    row = pq.read_table((manifests[bucket].folder / str(block.quarantine)).uri).to_pylist()[0]
    assert (row["key__row"], row["key_user_id"], row["block"]) == ("10", str(frame["user_id"][10]), 0)
    assert manifests[NO_VALUE].account.rows_quarantined == 1, "nothing says whose it is"
    ((replayed, _),) = score_partitions(replace(job, replay=True), [manifests[bucket].partition], ENGINE)
    assert (replayed.replays, replayed.account) == (1, manifests[bucket].account)


def test_a_half_done_partition_goes_on(games: PartitionedDataset, tmp_path: Path) -> None:
    job = _job(games, tmp_path)
    first = _score(job, "1")[0]
    parts = sorted(Path(first.folder.uri).glob("part-*.parquet"))
    kept = {part: part.stat().st_mtime_ns for part in parts[1:]}
    parts[0].unlink()
    for manifest in Path(first.folder.uri).glob("manifests/*"):
        manifest.unlink()
    second = _score(job, "1")[0]
    assert second.account == first.account
    assert 0 < second.rows_this_attempt < first.rows_this_attempt
    assert {part: part.stat().st_mtime_ns for part in kept} == kept


@pytest.mark.parametrize("options", [{"row_wise": False}, {"group_by": ("b",)}], ids=["whole partitions", "groups"])
def test_groups_and_whole_partitions_are_of_their_own_rows(
    games: PartitionedDataset, tmp_path: Path, options: dict[str, Any]
) -> None:
    function = _function(total if "group_by" in options else ranked, **options)
    keys = None if "group_by" in options else ("_row",)
    manifests = _score(_job(games, tmp_path, scored_with=function, keys=keys))
    frame = _frame()
    for bucket, manifest in enumerate(manifests[:4]):
        rows = frame[frame["user_id"] % 4 == bucket]
        found = scores(manifest)
        if "group_by" in options:
            expected = rows.groupby("b")["a"].agg(["size", "sum"])
            assert found.set_index(found["b"].astype(int)).sort_index()["rows"].tolist() == expected["size"].tolist()
        else:
            pd.testing.assert_series_equal(
                found.set_index("_row")["rank"], rows["a"].rank(), check_names=False, check_index_type=False
            )
    assert sum(manifest.account.rows_read for manifest in manifests) == ROWS


def test_a_bucket_without_rows_is_committed_empty(games: PartitionedDataset, tmp_path: Path) -> None:
    few = replace(games, partition_by="user_id % 300")
    job = _job(few, tmp_path, scored_with=_function(doubled), keys=("user_id",))
    manifests = _score(job, "7", "299")
    assert [manifest.account.rows_read > 0 for manifest in manifests] == [True, False]
    assert scores(manifests[1]).columns.tolist() == ["user_id", "twice"]


def test_a_key_that_the_partition_is_named_by_is_not_repeated(games: PartitionedDataset, tmp_path: Path) -> None:
    by_value = replace(games, partition_by="b")
    manifests = _score(_job(by_value, tmp_path, scored_with=_function(doubled), keys=("b", "_row")))
    assert [manifest.partition["b"] for manifest in manifests] == ["0", "1", "2", "3", "4"]
    publish(manifests, tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet").sort_values("_row")
    assert found.columns.tolist() == ["b", "_row", "twice"]
    assert found["b"].astype(int).tolist() == _frame()["b"].tolist()


class Losing(Parquet):
    """Loses the last row of each batch."""

    def read(self, *arguments: Any) -> Iterator[Batch]:
        for batch in super().read(*arguments):
            last = batch.table.num_rows - 1
            yield Batch(batch.table.slice(0, last), batch.positions[:last], [], batch.keys.slice(0, last))


def test_fewer_rows_than_a_file_states_are_not_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of other partitions count, so that what a reader loses is not taken for theirs."""
    install(monkeypatch, tmp_path / "site", "losing", GROUP, {".losing": f"{__name__}:Losing"})
    for name in ("games.parquet", "games.losing"):
        pq.write_table(pa.Table.from_pandas(_frame()), tmp_path / name)
    games = PartitionedDataset(f"{tmp_path}/games.parquet", partition_by="user_id % 4")
    job = _job(games, tmp_path, scored_with=_function(doubled), keys=("_row",))
    with pytest.raises(InputError, match="its files state 600 rows, but 594 were read"):
        _score(replace(job, dataset=replace(games, uri=f"{tmp_path}/games.losing")), "1")
    manifest = _score(job, "1")[0]
    assert sum(block.others for block in manifest.blocks) == ROWS - manifest.account.rows_read
    read = Manifest.read(manifest.location)
    assert read is not None
    assert [block.others for block in read.blocks] == [block.others for block in manifest.blocks]


def test_the_plan_packs_partitions_by_their_share(games: PartitionedDataset, tmp_path: Path) -> None:
    size = Path(games.uri).stat().st_size
    by_value = replace(games, partition_by=["b"])
    partitions = requested_partitions(by_value, None)
    assert [p.size for p in partitions] == [size * rows // ROWS for rows in _frame()["b"].value_counts().sort_index()]
    plan = make_plan(partitions, NoModel(), max_tasks=2)
    assert [len(entry.partitions) for entry in plan] in ([2, 3], [3, 2])
    assert abs(sum(entry.bytes for entry in plan) - size) < 10
    with pytest.raises(InputError, match="no row of"):
        requested_partitions(by_value, ["9"])
