from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import Small, good_rows, small

from airflow_batchscore.errors import GateError, InputError
from airflow_batchscore.publish.audit import audit, require_planned
from airflow_batchscore.publish.state import read_manifests
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

PLANNED = [{"p": "1"}, {"p": "2"}]


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(300))
    made.add(2, good_rows(200))
    return made


def _scored(data: Small, **options: Any) -> list[Manifest]:
    return [manifest for manifest, _ in data.score(1, 2, block_rows=100, **options)]


def test_a_whole_run_passes_and_is_summed(data: Small) -> None:
    found = audit(PLANNED, _scored(data), Limits(max_drift=0.5)).require()
    assert found.figures.account.rows_scored == 500
    assert found.figures.partitions == 2
    assert [(check.what, check.allowed) for check in found.checks] == [
        ("partitions without a manifest", "0"),
        ("partitions not planned", "0"),
        ("partitions scored twice", "0"),
        ("different models", "1"),
        ("rows accounted for", "500"),
        ("parts as written", "all"),
        ("rows in quarantine", "0"),
        ("rows skipped", "not all"),
        ("drift (PSI)", "0.5"),
    ]


def test_a_planned_partition_without_manifest_is_missing(data: Small) -> None:
    manifests = _scored(data)[:1]
    problems = audit(PLANNED, manifests).problems
    assert problems == [
        "1 of 2 planned partitions have no manifest (p=2; 0 allowed): see the log of their scoring tasks, fix the "
        "cause, and clear them"
    ]
    assert audit(PLANNED, manifests, Limits(allow_missing=1)).problems == []
    with pytest.raises(GateError, match="p=2"):
        require_planned(PLANNED, manifests)


def test_partitions_that_were_not_planned_or_come_twice_are_noticed(data: Small) -> None:
    manifests = _scored(data)
    assert "not planned: p=2" in audit(PLANNED[:1], manifests).problems[0]
    assert "more than one manifest" in audit(PLANNED, [*manifests, manifests[0]]).problems[0]


def test_lost_changed_and_foreign_parts_are_noticed(data: Small) -> None:
    manifests = _scored(data)
    folder = Path(manifests[0].folder.uri)
    first, second = (folder / block.part for block in manifests[0].blocks[:2])
    first.unlink()
    second.write_bytes(second.read_bytes() + b"x")
    problems = audit(PLANNED, manifests).problems
    assert len(problems) == 1
    assert f"{first} has no bytes" in problems[0]
    assert f"; partition p=1: {second} has" in problems[0]


def test_a_part_with_other_rows_than_the_manifest_is_noticed(data: Small) -> None:
    manifests = _scored(data)
    block = manifests[0].blocks[0]
    account = replace(block.account, rows_read=block.account.rows_read + 1, rows_scored=block.account.rows_scored + 1)
    forged = replace(manifests[0], blocks=[replace(block, account=account), *manifests[0].blocks[1:]])
    assert "rows, the manifest says" in audit(PLANNED, [forged, manifests[1]]).problems[0]


def test_two_models_in_one_run_are_noticed(data: Small) -> None:
    other = train(
        TrainingJob(data.dataset, [1], data.recipe, "sklearn.linear_model:LogisticRegression", f"{data.folder}/o")
    )
    manifests = [*_scored(data)[:1], *_scored(data, model=other.ref)[1:]]
    assert "scored with different models" in audit(PLANNED, manifests).problems[0]


def test_drift_is_measured_against_the_training_data(data: Small) -> None:
    data.add(2, [(n, 1000 + n, n % 7, 1) for n in range(200)])
    manifests = _scored(data)
    assert audit(PLANNED, manifests).problems == []
    problems = audit(PLANNED, manifests, Limits(max_drift=0.5)).problems
    assert len(problems) == 1
    assert problems[0].startswith("partition p=2 drifted from the training data (PSI")


def test_a_manifest_that_is_gone_or_was_altered_is_refused(data: Small) -> None:
    manifests = _scored(data)
    path = Path(manifests[0].uri)
    value = json.loads(path.read_text())
    value["account"]["rows_scored"] += 1
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match="do not add up"):
        read_manifests([manifests[0].uri], None, [manifests[0].digest])
    path.unlink()
    with pytest.raises(GateError, match="is gone: the partition is not committed any more"):
        read_manifests([manifests[0].uri], None, [manifests[0].digest])
    path.write_text('{"format": 3}')
    with pytest.raises(InputError, match="not a whole manifest"):
        read_manifests([manifests[0].uri], None, [manifests[0].digest])


def test_a_manifest_with_other_bytes_than_the_run_was_told_of_is_refused(data: Small) -> None:
    (first, _) = _scored(data)
    assert read_manifests([first.uri], None, [first.digest]) == [first]
    with pytest.raises(GateError, match=f"{first.uri} is not what scoring wrote: it has SHA-256 {first.digest[:12]}"):
        read_manifests([first.uri], None, ["0" * 64])
