"""Partitions of one file that share a task read each of its blocks once, and are each as if they were scored alone."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from packages import install
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data import dataset as dataset_module
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.csv_format import Csv
from airflow_batchscore.data.formats.registry import GROUP
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.engine.rerun import call_again
from airflow_batchscore.errors import InputChangedError, ScoringError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring import shared
from airflow_batchscore.scoring.in_progress import PartitionInProgress, begin
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.manifest import BlockResult, Manifest
from airflow_batchscore.scoring.part import BlockJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.scoring.prepare import Preparer

pytestmark = pytest.mark.unit

ENGINE = LocalDask(workers=2, processes=False)
ROWS = 2000
READ: Counter[tuple[str, int, int]] = Counter()


class Counted(Csv):
    """Counts how often each range of each file is read."""

    def read(self, block: Block, *arguments: Any) -> Iterator[Batch]:
        READ[(block.source.uri, block.start, block.stop)] += 1
        return super().read(block, *arguments)


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": frame["a"] * 2}, index=frame.index)


def of_no_sevens(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["a"] % 4 == 3).any():
        raise ValueError("a seven")
    return doubled(frame)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScoringJob:
    """Two files of 2000 rows together, which four partitions share."""
    install(monkeypatch, tmp_path / "site", "counted", GROUP, {".counted": f"{__name__}:Counted"})
    for name, rows in (("a", range(ROWS // 2)), ("b", range(ROWS // 2, ROWS))):
        (tmp_path / f"{name}.counted").write_text("user_id,a\n" + "".join(f"{n},{n}\n" for n in rows))
    dataset = PartitionedDataset(f"{tmp_path}/*.counted", partition_by="user_id % 4")
    READ.clear()
    return _job(dataset, tmp_path, doubled)


def _job(dataset: PartitionedDataset, folder: Path, function: Any, **options: Any) -> ScoringJob:
    of = FunctionJob(FunctionRef.of(function), columns=("a",), output_types={"twice": "double"})
    given = {"output_uri": f"{folder}/staged", "keys": ("user_id",), "block_rows": 100}
    return ScoringJob(dataset, of, **{**given, **options})


def _all(job: ScoringJob) -> list[Manifest]:
    return [m for m, _ in score_partitions(job, [p.values for p in job.dataset.discover()], ENGINE)]


def _calls(job: ScoringJob) -> list[shared.Call]:
    """The calls of all partitions, before they are put together."""
    preparer, calls = Preparer(job), []
    with ENGINE.session(1) as session:
        for number, partition in enumerate(job.dataset.discover()):
            begun = begin(job, preparer, partition.values, session)
            assert isinstance(begun, PartitionInProgress)
            calls += [((number,), function, (of,), (unit,)) for function, of, unit in begun.attempt.next_calls()]
    return calls


def test_each_block_is_read_once(job: ScoringJob) -> None:
    manifests = _all(job)
    blocks = len(manifests[0].blocks)
    assert blocks > 10
    trials = 1  # the function is tried on the first rows, once a job
    assert sum(READ.values()) == blocks + trials
    assert len({(uri, start) for uri, start, _ in READ}) == blocks
    found = pd.concat(map(scores, manifests)).astype(float).sort_values("user_id")
    assert found["twice"].tolist() == [2.0 * n for n in range(ROWS)]
    assert [manifest.account.rows_read for manifest in manifests] == [500, 500, 500, 500, 0]
    for manifest in manifests[-2:]:
        ((alone, _),) = score_partitions(
            replace(job, output_uri=f"{job.output_uri}/alone"), [manifest.partition], ENGINE
        )
        pd.testing.assert_frame_equal(scores(manifest), scores(alone))
        assert (manifest.identity, manifest.account) == (alone.identity, alone.account)


def _counting(looks: Counter[str], name: str, real: Any, *arguments: Any, **options: Any) -> Any:
    looks[name] += not arguments[0].uri.partition("/staged")[1]
    return real(*arguments, **options)


def test_their_files_are_listed_and_pinned_for_all_together(monkeypatch: pytest.MonkeyPatch, job: ScoringJob) -> None:
    looks: Counter[str] = Counter()
    for where, name in ((dataset_module.storage, "list_files"), (dataset_module, "stamp_of")):
        real = getattr(where, name)
        monkeypatch.setattr(where, name, partial(_counting, looks, name, real))
    values = [partition.values for partition in job.dataset.discover()]
    looks.clear()
    score_partitions(job, values, ENGINE)
    assert looks == {"list_files": 2, "stamp_of": 4}, "once when they begin, and once when they are complete"
    looks.clear()
    score_partitions(job, values, ENGINE)
    assert looks == {"list_files": 1, "stamp_of": 2}


def test_a_file_that_comes_while_they_are_scored_fails_each_of_them(job: ScoringJob, tmp_path: Path) -> None:
    def late(frame: pd.DataFrame) -> pd.DataFrame:
        if frame["a"].max() > ROWS - 100:
            (tmp_path / "c.counted").write_text("user_id,a\n1,1\n")
        return doubled(frame)

    with pytest.raises(InputChangedError, match=r"c\.counted changed while it was scored"):
        _all(_job(job.dataset, tmp_path, late))
    assert not list((tmp_path / "staged").rglob("manifests/*"))


def test_a_retry_reads_only_what_somebody_lacks(job: ScoringJob) -> None:
    manifests = _all(job)
    parts = {manifest.key: sorted(Path(manifest.folder.uri).glob("part-*")) for manifest in manifests}
    for manifest in manifests[:2]:
        for file in Path(manifest.folder.uri).glob("manifests/*"):
            file.unlink()
    parts[manifests[0].key][3].unlink()
    parts[manifests[1].key][3].unlink()
    parts[manifests[1].key][5].unlink()
    READ.clear()
    again = _all(job)
    assert sorted(READ.values()) == [1, 1, 1], "two blocks, and the trial"
    assert [m.account for m in again] == [m.account for m in manifests]
    assert [m.uri for m in again[2:]] == [m.uri for m in manifests[2:]]


def test_a_partition_that_fails_leaves_the_others_their_parts(job: ScoringJob, tmp_path: Path) -> None:
    failing = replace(_job(job.dataset, tmp_path, of_no_sevens), limit=Limit.of(0))
    with pytest.raises(ScoringError, match=r"partition user_id_mod_4=3, block \d+ .*rows.*(a seven|cannot be scored)"):
        _all(failing)
    others = [p.values for p in job.dataset.discover() if p.values["user_id_mod_4"] in "012"]
    READ.clear()
    done = score_partitions(failing, others, ENGINE)
    assert [manifest.account.rows_read for manifest, _ in done] == [500, 500, 500]
    assert [m.rows_this_attempt < 500 for m, _ in done] == [True] * 3, "what was scored beside it is kept"


def test_calls_for_one_block_are_made_together(job: ScoringJob) -> None:
    calls = _calls(job)
    made = shared.together(calls)
    assert len(calls) == 5 * len(made)
    assert [numbers for numbers, *_ in made] == [(0, 1, 2, 3, 4)] * len(made)
    numbers, _, jobs, units = pickle.loads(pickle.dumps(made[0]))  # noqa: S301 - as an engine of processes does
    assert len(jobs) == len(units) == len(numbers)
    other = replace(jobs[0], types={"a": "string"})
    two = [((0,), print, (jobs[0],), (units[0],)), ((1,), print, (other,), (units[1],))]
    assert len(shared.together(two)) == 2, "a block is read once for each way to read it"


def test_a_worker_that_died_left_parts_and_a_file_that_changed_leaves_none(job: ScoringJob) -> None:
    calls = shared.together(_calls(replace(job, limit=Limit.of(0))))
    _, _, jobs, units = calls[0]
    blocks = [unit for unit in units if isinstance(unit, Block)]
    results = shared.score_shared(jobs, blocks)
    assert [isinstance(result, BlockResult) for result in results] == [True] * 5
    there = call_again(shared.score_shared, jobs, blocks)
    assert there == [replace(result, footer="") for result in results if isinstance(result, BlockResult)], "not again"
    Path(blocks[0].source.uri).write_text("user_id,a\n1,2\n")
    moved = [replace(each, prefix="other") for each in jobs]
    errors = shared.score_shared(moved, blocks)
    assert all(isinstance(error, InputChangedError) for error in errors)
    named = [f"partition user_id_mod_4={bucket}, block 0" in str(e) for bucket, e in zip("0123", errors, strict=False)]
    assert all(named)
    assert NO_VALUE in str(errors[-1])
    folder: BlockJob = moved[0]
    assert not [file for file in Path(folder.folder.uri).iterdir() if "other" in file.name], "nothing half is left"


def test_the_limits_of_this_machine_are_not_a_clusters(monkeypatch: pytest.MonkeyPatch, job: ScoringJob) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (260, 260))
    assert shared.most_together(is_local=True) == 2
    assert shared.most_together(is_local=False) == 20
    monkeypatch.setattr("resource.getrlimit", lambda _: (1 << 20, 1 << 20))
    assert shared.most_together(is_local=False) == 20
    monkeypatch.setattr(shared, "_TOGETHER_ELSEWHERE", 3)
    monkeypatch.setattr(LocalDask, "is_local", False)  # a cluster is not local; its workers could be here
    assert sum(manifest.account.rows_read for manifest in _all(job)) == ROWS
    assert max(READ.values()) == 2, "five partitions in threes"


def test_so_many_partitions_share_that_all_can_be_open(monkeypatch: pytest.MonkeyPatch, job: ScoringJob) -> None:
    assert 2 <= shared.most_together(is_local=True) <= 100
    monkeypatch.setattr("airflow_batchscore.scoring.partition.most_together", lambda is_local: 2)
    manifests = _all(job)
    assert max(READ.values()) == 3, "five partitions in twos"
    assert sum(manifest.account.rows_read for manifest in manifests) == ROWS
