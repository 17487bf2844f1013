"""Manifests never change, the newest one counts, and a laxer run's scores are not a stricter one's."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from s3_server import s3_options
from support import NUMBERED, Small, good_rows, scores, small, write_csv
from tallied import Told

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.errors import InputError, ScoringError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.scoring.tally import Count
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Small:
    data = small(tmp_path_factory.mktemp("committed"))
    data.add(1, good_rows(60, 1000))
    return data


@pytest.fixture
def data(trained: Small, tmp_path: Path) -> Small:
    """With a place of its own for the scores."""

    class Own(Small):
        def job(self, **options: Any) -> Any:
            return super().job(**{"output_uri": f"{tmp_path}/staged", **options})

    return Own(trained.folder, trained.model, trained.recipe)


def _names(manifest: Any) -> list[str]:
    return sorted(path.name for path in Path(manifest.uri).parent.iterdir())


def _in_the_middle(data: Small, what: Callable[[], object], **options: Any) -> tuple[Any, bool]:
    """Score partition 1, and do `what` when it is scored and not yet committed: as if it had been stopped there."""
    did: list[object] = []

    def tell(count: Count) -> None:
        if count.blocks == count.blocks_total and not did:
            did.append(None)
            what()

    (result,) = score_partitions(data.job(**options), [{"p": "1"}], LocalDask(workers=1), tally=Told(1, tell))
    return result


def test_force_writes_the_next_number_and_leaves_what_was_there(data: Small) -> None:
    ((first, _),) = data.score(1)
    raw = Path(first.uri).read_bytes()
    assert first.uri.endswith("/manifests/000001.json")
    assert first.digest == hashlib.sha256(raw).hexdigest()
    ((forced, _),) = data.score(1, token="run-1")
    assert forced.uri == first.uri.replace("000001", "000002")
    assert Path(first.uri).read_bytes() == raw
    ((reused, was),) = data.score(1)
    assert (reused, was) == (forced, True)


def test_a_forced_scoring_that_slept_does_not_replace_its_forced_successor(data: Small) -> None:
    data.score(1)
    after: list[Any] = []
    woken, reused = _in_the_middle(data, lambda: after.extend(data.score(1, token="run-2")), token="run-1")
    ((successor, _),) = after
    assert (woken, reused) == (successor, True)
    assert _names(successor) == ["000001.json", "000002.json"]
    ((retried, reused),) = data.score(1, token="run-2")
    assert (retried, reused) == (successor, True)


def test_a_scoring_that_slept_uses_what_was_committed_meanwhile(data: Small) -> None:
    after: list[Any] = []
    woken, reused = _in_the_middle(data, lambda: after.extend(data.score(1)))
    assert (woken, reused) == (after[0][0], True)
    assert _names(woken) == ["000001.json"]


_BY_CHANCE = """
calls = iter(range(1, 1000))
meanwhile = []


def number(frame):
    if meanwhile:
        meanwhile.pop()()
    return frame[["id"]].assign(call=next(calls))
"""


def test_a_worker_that_slept_past_the_commit_replaces_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "by_chance.py").write_text(_BY_CHANCE)
    monkeypatch.syspath_prepend(tmp_path)
    write_csv(tmp_path / "part_1.csv", good_rows(10))
    function = FunctionJob(
        FunctionRef.of("by_chance:number"),
        columns=("id", "a"),
        output_types={"id": "int64", "call": "int64"},  # so that it is not tried out before
        row_wise=False,
    )
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv", read_options=NUMBERED)
    job = ScoringJob(dataset, function, f"{tmp_path}/staged", keys=())
    before: list[Any] = []

    def score() -> list[Any]:
        return score_partitions(job, [{"p": "1"}], LocalDask(workers=1, processes=False))

    def overtake() -> None:
        ((first, _),) = score()
        before.extend([first, scores(first), (Path(first.folder.uri) / first.blocks[0].part).stat().st_ino])

    importlib.import_module("by_chance").meanwhile.append(overtake)
    ((woken, reused),) = score()
    first, rows, inode = before
    assert (woken, reused) == (first, True)
    assert (Path(woken.folder.uri) / woken.blocks[0].part).stat().st_ino == inode
    pd.testing.assert_frame_equal(scores(woken), rows)


def test_force_does_not_take_what_was_not_forced(data: Small) -> None:
    forced, reused = _in_the_middle(data, lambda: data.score(1), token="run-1")
    assert (forced.token, reused) == ("run-1", False)
    assert _names(forced) == ["000001.json", "000002.json"]


def test_a_forced_run_that_is_cleared_later_does_not_undo_a_newer_one(data: Small) -> None:
    data.score(1)
    data.score(1, token="run-1")
    ((newest, _),) = data.score(1, token="run-2")
    ((cleared, reused),) = data.score(1, token="run-1")
    assert (cleared, reused) == (newest, True)


def test_a_damaged_manifest_is_named_and_force_gets_over_it(data: Small) -> None:
    ((first, _),) = data.score(1)
    Path(first.uri).write_text('{"format": 3}')
    with pytest.raises(InputError, match=r"000001.json is not a whole manifest .* with force in a new run"):
        data.score(1)
    data.score(1, token="run-1")
    ((again, reused),) = data.score(1)
    assert reused
    assert again.uri.endswith("000002.json")


@pytest.mark.service
def test_manifests_are_numbered_on_s3_too(data: Small, moto: str) -> None:
    credentials.register("test", s3_options(moto))
    try:
        where = {"output_uri": "s3://tennis/staged", "conn_id": "test"}
        ((first, _),) = data.score(1, **where)
        ((forced, _),) = data.score(1, token="run-1", **where)
        assert forced.uri == first.uri.replace("000001", "000002")
        raw = storage.read_bytes(Location(first.uri, "test"))
        assert first.commit() is not None, "a request that is sent again finds what it wrote itself"
        assert forced.commit() is not None
        assert storage.read_bytes(Location(first.uri, "test")) == raw
        ((newest, reused),) = data.score(1, **where)
        assert (newest, reused) == (forced, True)
    finally:
        credentials.forget("test")


def test_a_stricter_run_does_not_use_what_a_laxer_one_made(data: Small, tmp_path: Path) -> None:
    job = TrainingJob(data.dataset, [0], data.recipe, "strange_models:NanRegressor", f"{tmp_path}/nan")
    model = train(job).ref
    data.score(1, model=model, allow_nan=True)
    with pytest.raises(ScoringError, match="predictions are NaN"):
        data.score(1, model=model)
    (tmp_path / "empty_1.csv").write_text("id,a,b,label\n")
    empty = {"dataset": PartitionedDataset(f"{tmp_path}/empty_{{p}}.csv")}
    ((_, reused),) = data.score(1, allow_empty=True, **empty)
    ((_, again),) = data.score(1, allow_empty=True, **empty)
    assert (reused, again) == (False, True)
    with pytest.raises(InputError, match="holds no rows"):
        data.score(1, **empty)


def test_a_part_of_a_laxer_run_is_not_resumed_by_a_stricter_one(data: Small, tmp_path: Path) -> None:
    job = TrainingJob(data.dataset, [0], data.recipe, "strange_models:NanRegressor", f"{tmp_path}/nan")
    model = train(job).ref
    ((lax, _),) = data.score(1, model=model, allow_nan=True)
    Path(lax.uri).unlink()
    with pytest.raises(ScoringError, match="predictions are NaN"):
        data.score(1, model=model)


@pytest.mark.parametrize("committed", [True, False])
def test_a_stricter_limit_of_quarantine_holds_for_what_is_there(tmp_path: Path, committed: bool) -> None:
    data = small(tmp_path)
    data.add(1, [*good_rows(20), (20, "x", 1, 0), (21, "y", 1, 0)])
    ((lax, _),) = data.score(1)
    if not committed:
        Path(lax.uri).unlink()
    with pytest.raises(ScoringError, match="p=1.*2 of 22 rows .* more than quarantine=1 allows"):
        data.score(1, limit=Limit(1))
