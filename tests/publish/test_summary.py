"""The facts of a publication, as the report and the JSON beside it have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from publications import committed
from support import good_rows, small

import airflow_batchscore
from airflow_batchscore.data.storage import Location
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import Chosen
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.drift import Drift
from airflow_batchscore.publish.published import Published
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.summary import PartitionFacts, Summary, one_model, summarise
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

RUN = ScoringRun("d", "r", "2026")


def _summary(manifests: list[Manifest], reused: Mapping[str, bool] | None = None) -> Summary:
    changes = Changes(added=[manifest.key for manifest in manifests])
    published = Published(target_of(Location("/out")), len(manifests), 0, changes)
    return summarise(manifests, published, run=RUN, reused=reused or {})


def test_a_run_of_one_model_has_the_facts_of_its_artifact(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(50))
    data.add(2, good_rows(30))
    manifests = [manifest for manifest, _ in data.score(1, 2)]
    summary = _summary(manifests, {"p=1": True, "p=2": False})
    model = summary.model
    assert model is not None
    assert (model.uri, model.digest, model.version) == (data.model.uri, data.model.digest, data.model.version)
    assert (model.estimator, model.trained_on, model.rows_trained) == ("LogisticRegression()", ["p=0"], 200)
    value = json.loads(json.dumps(summary.to_dict()))
    assert value["run"] == {"dag_id": "d", "run_id": "r", "partition_key": "2026"}
    assert value["version"] == airflow_batchscore.__version__
    assert (value["output"], value["added"], value["coverage"]) == ("/out", ["p=1", "p=2"], None)
    counts = {"rows_read": 80, "rows_scored": 80, "rows_skipped": 0, "rows_quarantined": 0}
    assert value["totals"] == {"partitions": 2, "reused": 1, **counts}
    first, second = value["partitions"]
    assert (first["partition"], first["reused"], first["rows_read"], first["values"]) == ("p=1", True, 50, {"p": "1"})
    assert (second["reused"], second["manifest"]) == (False, manifests[1].uri)
    assert 0 <= first["drift"] < 1
    assert value["model"]["raw"] == {"id": "int64", "a": "float64", "b": "int64", "label": "int64"}
    assert value["model"]["features"] == ["a", "b"]
    assert value["model"]["outputs"]["predict"] == {"prediction": "int64"}
    assert (value["passed"], value["quarantined"], value["generation"]) == (None, None, 0)


def test_rows_in_quarantine_are_told_with_their_reason(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, [*good_rows(50), (99, "x", 1, 1)])
    value = json.loads(json.dumps(_summary([manifest for manifest, _ in data.score(1)]).to_dict()))
    assert value["quarantined"]["rows"] == 1
    assert value["quarantined"]["reasons"][0]["error"] == "ParseError"


def test_a_run_of_a_function_has_no_model_and_no_drift() -> None:
    summary = _summary([committed(1), committed(2)])
    assert (summary.model, summary.method) == (None, "my_code:score")
    assert [facts.drift for facts in summary.partitions] == [None, None]
    assert [facts.reused for facts in summary.partitions] == [False, False]


def test_rows_without_a_model_of_their_own_are_counted_by_what_lacks_it() -> None:
    fallback, own = Chosen(None, "fallback", "missing"), Chosen(None)
    coverage = _summary([committed(1, choice=own), committed(2, 7, choice=fallback)]).to_dict()["coverage"]
    assert coverage == {"own": 1, "uncovered": {"p=2: missing, fallback": 7}}


def test_there_is_one_model_only_if_it_scored_every_partition() -> None:
    one, other = (ModelRef(f"/m/{version}", "d") for version in ("v1", "v2"))
    both = [committed(1, model=one), committed(2, model=one)]
    found = one_model(both)
    assert found is not None
    assert found.uri == "/m/v1"
    assert one_model([*both, committed(3, model=other)]) is None
    assert one_model([*both, committed(3)]) is None
    assert one_model([committed(3)]) is None


def test_figures_of_a_partition_are_rounded_for_readers() -> None:
    manifest = committed(1, 10, seconds=0.12345, rows_this_attempt=1)
    facts = PartitionFacts.of(manifest, Drift({"a": 0.123456, "b": 0.2}), reused=False)
    assert (facts.seconds, facts.rows_per_second) == (0.123, 8)
    assert (facts.drift, facts.drift_column) == (0.2, "b")
    assert PartitionFacts.of(committed(1, seconds=0.0), Drift(), reused=True).rows_per_second == 0
