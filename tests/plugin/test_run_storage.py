"""What storage adds to a run's page, read by what sealed values name."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support import Small, good_rows, small

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import NoModel, OneModel
from airflow_batchscore.plugin import run_storage
from airflow_batchscore.plugin.run_storage import card_of, profiles_of, quarantine_of, with_drifts
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.run_view_records import RunRecords, TaskRecord
from airflow_batchscore.publish.runs import run_place, staged_runs_folder
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.scoring.scored import ScoredPartition, ScoredTask

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, [*good_rows(40), (99, "x", 1, 0)])
    return made


def _records(data: Small, *partitions: int, check: str | None = None, **more: Any) -> tuple[RunRecords, list[Any]]:
    """A run that has scored these partitions, a task each."""
    manifests = [manifest for manifest, _ in data.score(*partitions)]
    handed = [ScoredPartition.of(manifest, reused=False, run="dag/run", generation=7) for manifest in manifests]
    tasks = [TaskRecord("score", index, "score", "success", 1, 1) for index in range(len(partitions))]
    if check:
        tasks.append(TaskRecord("check_scores", -1, "check_scores", check, 1, 1, ended=NOW))
    values = [dict(manifest.partition) for manifest in manifests]
    plan = PlanEntry("all", values, [1] * len(values), 1, OneModel(data.model), None, 1, 0, 1, 7, "/x")
    fields: dict[str, Any] = {
        "dag_id": "dag",
        "run_id": "run",
        "state": "running",
        "now": NOW,
        "tasks": tasks,
        "plans": [[plan]],
        "scored": {task.instance: ScoredTask(each.key, [each]) for task, each in zip(tasks, handed, strict=False)},
    }
    return RunRecords(**{**fields, **more}), manifests


@pytest.mark.parametrize("state", ["success", "failed"])
def test_drift_comes_from_the_verdict_also_of_a_check_that_failed(data: Small, state: str) -> None:
    records, manifests = _records(data, 0, 1, check=state)
    limits = Limits(max_drift=0.25, max_quarantined=9)
    verdict = audit([manifest.partition for manifest in manifests], manifests, limits)
    place = run_place(staged_runs_folder(manifests), ScoringRun("dag", "run"), "check_scores", "audit.json")
    Path(place.uri).parent.mkdir(parents=True)
    Path(place.uri).write_text(json.dumps(verdict.verdict(ScoringRun("dag", "run"), limits)))
    drifts = with_drifts(records).drifts
    assert drifts.limit == 0.25
    assert set(drifts.partitions) == {manifest.digest for manifest in manifests}
    assert all(column in ("a", "b", "prediction") for _, column in drifts.partitions.values())


def test_the_verdicts_of_all_stages_count_and_the_limit_is_that_of_the_worst(data: Small) -> None:
    one, manifests = _records(data, 0, check="success")
    other = replace(
        one.scored["score", 0].partitions[0], manifest=f"{data.folder}/staged2/p=0/x/manifests/1.json", digest="b" * 64
    )
    check = TaskRecord("check_challenger", -1, "check_scores", "failed", 1, 1, ended=NOW)
    records = replace(
        one,
        tasks=[*one.tasks, check],
        scored={**one.scored, ("challenger", 0): ScoredTask("p=0", [other])},
    )
    for stage, name, digest, drift, limit in (
        ("staged", "check_scores", manifests[0].digest, 0.1, 0.25),
        ("staged2", "check_challenger", "b" * 64, 0.4, 0.3),
    ):
        place = data.folder / stage / "_runs" / "dag" / "run" / f"{name}.audit.json"
        place.parent.mkdir(parents=True)
        scores = [{"digest": digest, "drift": drift, "drift_column": "a"}]
        place.write_text(json.dumps({"limits": {"max_drift": limit}, "scores": scores}))
    drifts = with_drifts(records).drifts
    assert drifts.partitions == {manifests[0].digest: (0.1, "a"), "b" * 64: (0.4, "a")}
    assert drifts.limit == 0.3


def test_storage_that_is_late_makes_the_answer_incomplete(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    records, manifests = _records(data, 0, check="success")
    place = run_place(staged_runs_folder(manifests), ScoringRun("dag", "run"), "check_scores", "audit.json")
    Path(place.uri).parent.mkdir(parents=True)
    score = {"digest": manifests[0].digest, "drift": 0.1, "drift_column": "a"}
    Path(place.uri).write_text(json.dumps({"limits": {"max_drift": 0.2}, "scores": [score]}))
    answers, read = threading.Event(), storage.read_json

    def slow(location: Location) -> Any:
        answers.wait(60)
        return read(location)

    monkeypatch.setattr(storage, "read_json", slow)
    monkeypatch.setattr(run_storage, "SECONDS", 0.05)
    assert with_drifts(records).is_incomplete
    answers.set()
    while (found := with_drifts(records)).is_incomplete:
        time.sleep(0.01)
    assert found.drifts.partitions == {manifests[0].digest: (0.1, "a")}


def test_a_verdict_on_other_scores_does_not_count(data: Small) -> None:
    records, manifests = _records(data, 0, check="success")
    place = run_place(staged_runs_folder(manifests), ScoringRun("dag", "run"), "check_scores", "audit.json")
    Path(place.uri).parent.mkdir(parents=True)
    own = {"digest": manifests[0].digest, "drift": float("inf")}
    odd = {"scores": [{"partition": "p=0", "digest": "0" * 64, "drift": 9}, 3, own], "limits": 3}
    Path(place.uri).write_text(json.dumps(odd))
    drifts = with_drifts(records).drifts
    assert (drifts.partitions, drifts.limit) == ({}, None)


def test_without_a_check_or_a_verdict_there_is_no_drift(data: Small) -> None:
    assert with_drifts(_records(data, 0)[0]).drifts.partitions == {}
    assert with_drifts(_records(data, 0, check="success")[0]).drifts.partitions == {}


def test_the_card_is_of_the_pinned_model(data: Small) -> None:
    card, is_late = card_of(_records(data, 0)[0])
    assert card is not None
    assert not is_late
    assert (card["version"], card["problem"]) == (data.model.version, None)


def test_a_card_that_cannot_be_read_keeps_what_the_plan_knows(data: Small) -> None:
    records, _ = _records(data, 0)
    ((entry,),) = records.plans
    pinned = replace(entry, models=OneModel(replace(data.model, digest="0" * 64, manifest_digest=None)))
    card, _ = card_of(replace(records, plans=[[pinned]]))
    assert card is not None
    assert (card["digest"], card["metrics"]) == ("0" * 64, {})
    assert "the model cannot be read" in card["problem"]
    assert card_of(replace(records, plans=[[replace(entry, models=NoModel())]])) == (None, False)


def test_profiles_are_of_the_named_partitions_or_of_all(data: Small) -> None:
    records, _ = _records(data, 0, 1)
    every, one = profiles_of(records, []), profiles_of(records, ["p=1"])
    assert ((every["looked_at"], one["looked_at"]), one["committed"]) == ((2, 1), 2)
    (shares,) = {sum(column["scored"]) for column in one["columns"] if column["column"] == "prediction"}
    assert shares == pytest.approx(1, abs=1e-3)
    assert profiles_of(records, ["p=7"])["problem"]


def test_a_manifest_that_was_altered_is_not_shown(data: Small) -> None:
    records, manifests = _records(data, 1)
    path = Path(manifests[0].uri)
    path.write_text(path.read_text().replace("part_1.csv", "part_9.csv"))
    for view in (profiles_of(records, []), quarantine_of(records)):
        assert "is not what scoring wrote" in view["problem"]


def test_rows_in_quarantine_are_read_where_manifests_name_them(data: Small) -> None:
    view = quarantine_of(_records(data, 0, 1)[0])
    assert (view["rows"], view["files"], view["files_read"], view["problem"]) == (1, 1, 1, None)
    assert view["examples"][0]["raw"]["a"] == "x"


def test_a_quarantine_file_that_is_gone_is_said(data: Small) -> None:
    records, manifests = _records(data, 1)
    (file,) = Path(manifests[0].folder.uri).glob("quarantine/*")
    file.unlink()
    view = quarantine_of(records)
    assert (view["rows"], view["files_read"]) == (1, 0)
    assert "cannot be read" in view["problem"]
