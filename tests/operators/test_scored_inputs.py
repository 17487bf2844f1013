"""What the plan and the scoring tasks of a run handed on is taken as they wrote it, or refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from operator_calls import audited, context, handed_plan, handed_scores, published
from support import Small, good_rows

from airflow_batchscore.errors import GateError
from airflow_batchscore.operators import CheckScoresOperator
from airflow_batchscore.operators.scored_inputs import read_plan, read_scores, score_items

pytestmark = pytest.mark.dag


@pytest.fixture
def data(fresh: Small) -> Small:
    for partition in (1, 2, 3):
        fresh.add(partition, good_rows(20, 1000 * partition))
    return fresh


def test_scores_of_another_run_twice_or_without_a_digest_are_refused(data: Small, tmp_path: Path) -> None:
    scores = handed_scores(data, "a", 1, 1, 2)
    output = tmp_path / "out.parquet"
    with pytest.raises(GateError, match="^scores: this must be what ScorePartitionOperator returned in this run"):
        published(scores, "b", output)
    with pytest.raises(GateError, match="its seal does not match: it comes from another run"):
        audited(scores, "b", 1, 2)
    with pytest.raises(GateError, match=r"scores: p=2 more than once"):
        published([*scores, scores[1]], "a", output)
    assert not output.exists()


def test_what_somebody_edited_on_its_way_is_refused(data: Small, tmp_path: Path) -> None:
    scores = handed_scores(data, "a", 1, 1, 2)
    output = tmp_path / "out.parquet"
    short = scores[0]["manifests"][0]
    altered = {**scores[0], "manifests": [{**short, "generation": 9}]}
    for handed in ([altered, scores[1]], [{**scores[0], "seal": "0" * 64}], [{"manifests": [short]}]):
        with pytest.raises(GateError, match="its seal does not match"):
            published(handed, "a", output)
    for nothing in (5, None, "x", [None]):
        with pytest.raises(GateError):
            published(nothing, "a", output)
    whole = handed_plan("a", 1, 2)
    other = {**whole[1], "partitions": [{"p": "3"}]}
    for plan, said in [
        (whole[:1], "not the 2 that were planned"),
        ([whole[0], other], "its seal does not match"),
        (5, "is no list"),
        (scores, "^plan: this must be what PlanPartitionsOperator .*, and it is what ScorePartitionOperator returned"),
        ([], "no entry"),
    ]:
        with pytest.raises(GateError, match=said):
            CheckScoresOperator(task_id="check", plan=plan, scores=scores).run_stage(context("check", "a"))
    checked = audited(scores, "a", 1, 2)
    with pytest.raises(GateError, match="its seal does not match"):
        published({**checked, "scores": scores[:1]}, "a", output)
    assert not output.exists()


def _check(plan: Any, scores: Any) -> Any:
    return CheckScoresOperator(task_id="check", plan=plan, scores=scores)


@pytest.mark.parametrize("plan", ["{{ ti.xcom_pull('plan') }}", "[{'label': 'p=1'}]", ""])
def test_a_plan_that_a_template_made_into_text_is_refused(plan: str) -> None:
    with pytest.raises(GateError, match="give the output of PlanPartitionsOperator itself, not a template"):
        read_plan(_check(plan, []), context("check"))


@pytest.mark.parametrize("scores", [7, "text", "[]", None])
def test_scores_that_are_no_list_are_refused(scores: Any) -> None:
    with pytest.raises(GateError, match="give the output of ScorePartitionOperator or CheckScoresOperator"):
        score_items(_check([], scores), context("check"))


def test_no_scores_at_all_are_refused() -> None:
    with pytest.raises(GateError, match="no scoring task gave a manifest: see the logs of the scoring tasks"):
        read_scores(score_items(_check([], []), context("check")), None)


class _Joined(Sequence[Any]):
    """As Airflow joins mapped XComs: without slices."""

    def __init__(self, *items: Any) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            raise TypeError("no slices")
        return self._items[index]


def test_scores_of_several_mapped_tasks_are_joined(data: Small) -> None:
    scores = handed_scores(data, "r", 1, 1, 2)
    items = score_items(_check([], _Joined(*scores)), context("check"))
    counted, state = read_scores(items, None)
    assert [manifest.key for manifest in state.manifests] == ["p=1", "p=2"]
    assert len(counted) == 2
    plan = _Joined(*handed_plan("r", 1, 2))
    assert read_plan(_check(plan, []), context("check")) == ([{"p": "1"}, {"p": "2"}], [])


def test_the_scores_of_a_task_that_is_not_mapped_need_no_list(data: Small) -> None:
    (only,) = handed_scores(data, "r", 1, 1)
    for given in (only, str(only)):
        assert [item["label"] for item in score_items(_check([], given), context("check"))] == ["p=1"]


def test_a_manifest_that_is_gone_is_named(data: Small) -> None:
    scores = handed_scores(data, "r", 1, 1)
    Path(scores[0]["manifests"][0]["manifest"]).unlink()
    with pytest.raises(GateError, match="000001.json is gone: the partition is not committed any more; clear"):
        read_scores(score_items(_check([], scores), context("check")), None)


def test_the_report_has_what_the_audit_allowed_unless_its_verdict_is_gone(data: Small, tmp_path: Path) -> None:
    scores = handed_scores(data, "r", 1, 1, 2)

    def passed(checked: Any) -> Any:
        return json.loads(Path(published(checked, "r", tmp_path / "out.parquet")["summary"]).read_text())["passed"]

    checked = audited(scores, "r", 1, 2, max_drift="12.5")
    assert passed(checked)["max_drift"] == 12.5
    assert passed(scores) is None
    for damage in ("{", "{}"):
        Path(checked["verdict"]).write_text(damage)
        assert passed(checked) is None
    Path(checked["verdict"]).unlink()
    assert passed(checked) is None
