"""The audit and Combine, called as Airflow calls them, on what scoring returned."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from airflow.sdk import DAG
from support import Small, good_rows, small

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.errors import GateError
from airflow_batchscore.operators import CheckScoresOperator, CombineOperator, ScorePartitionOperator
from airflow_batchscore.operators.seal import seal

pytestmark = pytest.mark.dag


def _context(run_id: str, task_id: str, map_index: int = -1) -> Any:
    run = SimpleNamespace(dag_id="d", run_id=run_id, partition_key=None)
    return {"dag_run": run, "ti": SimpleNamespace(task_id=task_id, map_index=map_index)}


def _score(data: Small, run_id: str, generation: int, *partitions: int, **options: Any) -> list[dict[str, Any]]:
    """What the scoring tasks of a run returned."""
    origin = {"run": f"d/{run_id}", "generation": generation}
    return [
        seal(
            {"label": manifest.key, "manifests": [{**manifest.short(reused=reused), **origin}]},
            "scores",
            f"d/{run_id}",
            "score",
        )
        for manifest, reused in data.score(*partitions, **options)
    ]


def _plan(run_id: str, *partitions: int) -> list[dict[str, Any]]:
    """What the plan of a run returned."""
    return [
        seal(
            {"partitions": [{"p": str(partition)}], "generation": 1, "place": [place, len(partitions)]},
            "plan",
            f"d/{run_id}",
            "plan",
        )
        for place, partition in enumerate(partitions)
    ]


def _check(scores: Any, run_id: str, *partitions: int, **limits: Any) -> dict[str, Any]:
    operator = CheckScoresOperator(task_id="check", plan=_plan(run_id, *partitions), scores=scores, **limits)
    return operator.run_stage(_context(run_id, "check"))


def _publish(scores: Any, run_id: str, output: Path, **options: Any) -> dict[str, Any]:
    """What the scoring tasks, or a check of them, returned is published by a DAG that hands it on directly."""
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        data = PartitionedDataset("/x_{p}")
        score = ScorePartitionOperator(task_id="score", dataset=data, partition={}, output_uri="/y")
        check = CheckScoresOperator(task_id="check", plan=[], scores=score.output)
        before = check if isinstance(scores, dict) else score
        operator = CombineOperator(task_id="publish", scores=before.output, output_uri=str(output), **options)
    operator._written = {"scores": before.output}
    operator.scores = scores
    return operator.run_stage(_context(run_id, "publish"))


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    for partition in (1, 2, 3):
        made.add(partition, good_rows(20, 1000 * partition))
    return made


def test_two_partitions_of_three_replace_themselves_alone(data: Small, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    _publish(_score(data, "all", 1, 1, 2, 3), "all", output)
    data.add(2, good_rows(30, 2000))
    done = _publish(_check(_score(data, "two", 2, 1, 2), "two", 1, 2), "two", output)
    counts = {name: done[name] for name in ("rows", "added", "replaced", "unchanged", "kept", "dropped")}
    assert counts == {"rows": 50, "added": 0, "replaced": 1, "unchanged": 1, "kept": 1, "dropped": 0}
    assert pd.read_parquet(output).groupby("p").size().to_dict() == {1: 20, 2: 30, 3: 20}


def test_what_the_audit_read_is_published_whatever_is_scored_meanwhile(data: Small, tmp_path: Path) -> None:
    checked = _check(_score(data, "a", 1, 1), "a", 1)
    _score(data, "b", 2, 1, token="force of another run")
    _publish(checked, "a", tmp_path / "out.parquet")
    said = json.loads(pq.read_metadata(tmp_path / "out.parquet").metadata[b"batchscore"])
    assert said["partitions"][0]["manifest"] == checked["scores"][0]["manifests"][0]["digest"]


def test_a_manifest_that_was_altered_after_the_audit_is_not_published(data: Small, tmp_path: Path) -> None:
    checked = _check(_score(data, "a", 1, 1), "a", 1)
    path = Path(checked["scores"][0]["manifests"][0]["manifest"])
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"seconds"', '"seconds" '))
    with pytest.raises(GateError, match=r"000001.json is not what scoring wrote"):
        _publish(checked, "a", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_scores_of_another_run_twice_or_without_a_digest_are_refused(data: Small, tmp_path: Path) -> None:
    scores = _score(data, "a", 1, 1, 2)
    output = tmp_path / "out.parquet"
    with pytest.raises(GateError, match="^scores: what ScorePartitionOperator returned in this run is needed"):
        _publish(scores, "b", output)
    with pytest.raises(GateError, match="it is another run's, or was altered"):
        _check(scores, "b", 1, 2)
    with pytest.raises(GateError, match=r"scores: p=2 more than once"):
        _publish([*scores, scores[1]], "a", output)
    assert not output.exists()


def test_what_somebody_edited_on_its_way_is_refused(data: Small, tmp_path: Path) -> None:
    scores = _score(data, "a", 1, 1, 2)
    output = tmp_path / "out.parquet"
    short = scores[0]["manifests"][0]
    altered = {**scores[0], "manifests": [{**short, "generation": 9}]}
    for handed in ([altered, scores[1]], [{**scores[0], "seal": "0" * 64}], [{"manifests": [short]}]):
        with pytest.raises(GateError, match="or was altered on its way"):
            _publish(handed, "a", output)
    for nothing in (5, None, "x", [None]):
        with pytest.raises(GateError):
            _publish(nothing, "a", output)
    whole = _plan("a", 1, 2)
    other = {**whole[1], "partitions": [{"p": "3"}]}
    for plan, said in [
        (whole[:1], "not the 2 that were planned"),
        ([whole[0], other], "was altered"),
        (5, "is no list"),
        (scores, "^plan: this is what ScorePartitionOperator returned, and what PlanPartitionsOperator returned"),
        ([], "no entry"),
    ]:
        with pytest.raises(GateError, match=said):
            CheckScoresOperator(task_id="check", plan=plan, scores=scores).run_stage(_context("a", "check"))
    checked = _check(scores, "a", 1, 2)
    with pytest.raises(GateError, match="or was altered on its way"):
        _publish({**checked, "scores": scores[:1]}, "a", output)
    assert not output.exists()


def test_where_a_check_is_handed_on_scores_that_it_did_not_see_are_refused(data: Small, tmp_path: Path) -> None:
    scores = _score(data, "a", 1, 1)
    with DAG("d", start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        publish = CombineOperator(task_id="publish", scores=check.output, output_uri=str(tmp_path / "out.parquet"))
    publish._written = {"scores": check.output}
    publish.scores = scores  # as somebody who edits the check's XCom would have it
    with pytest.raises(GateError, match="this is a list, and one item of it what CheckScoresOperator returned"):
        publish.run_stage(_context("a", "publish"))
    publish._written = {"scores": "{{ ti.xcom_pull('check') }}"}
    for rendered in (str(scores), scores):  # the second with render_template_as_native_obj=True
        publish.scores = rendered
        with pytest.raises(GateError, match="what CheckScoresOperator returned in this run is needed here"):
            publish.run_stage(_context("a", "publish"))
    publish.scores = _check(scores, "a", 1)
    assert publish.run_stage(_context("a", "publish"))["rows"] == 20


def test_an_old_run_that_is_cleared_does_not_replace_newer_scores(data: Small, tmp_path: Path) -> None:
    output = tmp_path / "out"
    old = _score(data, "old", 1, 1, 2)
    data.add(1, good_rows(30, 1000))
    _publish(_score(data, "new", 2, 1), "new", output)
    with pytest.raises(GateError, match=r"has newer scores: p=1 by d/new, planned .* This run, d/old"):
        _publish(old, "old", output)
    assert len(pd.read_parquet(output)) == 30
    _publish(old, "old", output, republish="True")
    assert len(pd.read_parquet(output)) == 40


@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_a_runs_report_is_its_own(data: Small, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "report.html"
    done = {
        run: _publish(_score(data, run, number, *partitions), run, tmp_path / name, report_uri=str(copy))
        for number, (run, partitions) in enumerate({"three": (1, 2, 3), "one": (2,)}.items())
    }
    for run, count in (("three", 3), ("one", 1)):
        facts = json.loads(Path(done[run]["summary"]).read_text())
        assert (facts["run"]["run_id"], facts["totals"]["partitions"]) == (run, count)
        assert f"<code>{run}</code>" in Path(done[run]["report"]).read_text()
        assert f"/_runs/{'' if name == 'out' else 'out/'}d/{run}/" in done[run]["report"]
    assert copy.read_text() == Path(done["one"]["report"]).read_text()


def test_the_verdict_of_an_audit_lies_under_the_run_also_when_it_fails(data: Small, tmp_path: Path) -> None:
    passed = _check(_score(data, "a", 1, 1), "a", 1, max_drift="10")
    assert passed["verdict"] == f"{tmp_path}/staged/_runs/d/a/check.audit.json"
    found = json.loads(Path(passed["verdict"]).read_text())
    short = passed["scores"][0]["manifests"][0]
    assert (found["passed"], found["problems"], found["limits"]["max_drift"]) == (True, [], "10")
    assert found["scores"][0]["digest"] == short["digest"]
    assert found["scores"][0]["drift"] == passed["max_drift"]
    with pytest.raises(GateError, match="p=2"):
        _check(_score(data, "b", 1, 1), "b", 1, 2)
    failed = json.loads((tmp_path / "staged" / "_runs" / "d" / "b" / "check.audit.json").read_text())
    assert failed["passed"] is False
    assert "p=2" in failed["problems"][0]


def test_a_run_of_which_every_row_was_skipped_replaces_nothing(tmp_path: Path) -> None:
    data = small(tmp_path, features=lambda frame: frame[["a", "b"]].dropna())
    output = tmp_path / "out.parquet"
    data.add(1, good_rows(20))
    _publish(_check(_score(data, "a", 1, 1), "a", 1), "a", output)
    data.add(1, [(n, "", n, 0) for n in range(20)])
    scores = _score(data, "b", 2, 1)
    with pytest.raises(GateError, match="not one of 20 rows was scored"):
        _check(scores, "b", 1)
    checked = _check(scores, "b", 1, max_skipped="1.0")
    with pytest.raises(GateError, match="none of the 1 partitions has a row"):
        _publish(checked, "b", output)
    assert len(pd.read_parquet(output)) == 20
    _publish(checked, "b", output, allow_empty=True)
    assert len(pd.read_parquet(output)) == 0


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_scores_that_are_published_again_on_purpose_are_the_latest(data: Small, tmp_path: Path, name: str) -> None:
    output, page = tmp_path / name, tmp_path / "page.html"
    old = _score(data, "old", 1, 1, 2)
    data.add(1, good_rows(30, 1000))
    _publish(_score(data, "new", 2, 1, 2), "new", output, report_uri=str(page))
    _publish(old, "old", output, report_uri=str(page), republish=True)
    runs = tmp_path / "_runs" / "out" if name == "out.parquet" else output / "_runs"
    latest = json.loads((runs / "latest.json").read_text())
    assert (latest["run_id"], latest["generation"]) == ("old", 3)
    assert "old" in page.read_text()
    _publish(_score(data, "newest", 9, 1, 2), "newest", output, report_uri=str(page))
    assert json.loads((runs / "latest.json").read_text())["run_id"] == "newest"
