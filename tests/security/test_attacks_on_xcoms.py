"""What a stage returned counts; what a person with the role `user` made of it does not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attacks import cleared, edited, malicious_version, returned, version_of
from people import Run
from places import Place
from support import wait_for

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]

Plan = list[dict[str, Any]]


@pytest.fixture(scope="module")
def mark(place: Place) -> Path:
    """What loading the planted version makes."""
    return place.home / "mark-of-plans"


@pytest.fixture(scope="module")
def evil(place: Place, scored: Run, mark: Path) -> dict[str, Any]:
    """A version beside the honest ones, where a stolen key or a mistake could bring one, as a plan would name it."""
    models = place.home / "wta" / "models" / "wta"
    return malicious_version(models / "evil", version_of(models), mark)


@pytest.fixture(autouse=True)
def as_it_was(place: Place, scored: Run) -> Iterator[None]:
    """After each attack the run is the honest one again: what failing tasks had returned, and that they went well."""
    user, stack = place.people["user"], place.stack
    before = returned(user, scored)
    yield
    for (task_id, map_index), value in before.items():
        user.add_xcom(scored, task_id, value, map_index)
    failed = [t for t in stack.task_instances(scored.dag_id, scored.run_id) if t["state"] == "failed"]
    for task in failed:
        user.mark_success(scored, task["task_id"], task["map_index"])

    def well() -> bool:
        states = {task["state"] for task in stack.task_instances(scored.dag_id, scored.run_id)}
        # Tasks that are cleared while the scheduler is about to end the run are never scheduled.
        return states <= {"success", "skipped"} and stack.state(scored.dag_id, scored.run_id) in ("success", "failed")

    wait_for(well, 120)
    if any(task["task_id"] == "publish" for task in failed):
        assert cleared(user, scored, "publish") == {}  # its report and what it returned fit each other again


def _published(place: Place) -> bytes:
    return (place.home / "wta" / "predictions.parquet").read_bytes()


def _refused_by_score(place: Place, run: Run, plan: Plan, *tasks: str) -> dict[str, str]:
    user = place.people["user"]
    with edited(user, run, "plan", plan):
        return cleared(user, run, *tasks)


def test_a_plan_with_another_model_scores_nothing(place: Place, scored: Run, evil: dict[str, Any], mark: Path) -> None:
    plan: Plan = place.people["user"].xcom(scored, "plan")
    forged = [{**entry, "model": evil} for entry in plan]
    said = _refused_by_score(place, scored, forged, "score")
    assert set(said) == {"score-0", "score-1"}
    assert all(message.startswith(("GateError", "ModelError")) for message in said.values())
    assert not mark.exists()


def test_a_plan_with_other_partitions_or_another_time_scores_nothing(place: Place, scored: Run) -> None:
    plan: Plan = place.people["user"].xcom(scored, "plan")
    first, second = copy.deepcopy(plan)
    first |= {"partitions": [{"year": "2013"}], "label": "year=2014"}
    second["generation"] += 10**18  # newer than all that will be planned
    assert set(_refused_by_score(place, scored, [first, second], "score")) == {"score-0", "score-1"}


def test_a_plan_that_is_unsealed_or_refers_to_a_file_scores_nothing(place: Place, scored: Run) -> None:
    plan: Plan = place.people["user"].xcom(scored, "plan")
    first, second = copy.deepcopy(plan)
    first.pop("seal", None)
    first["tasks"] = 1
    second["partitions"] = {"list": "/etc/passwd", "items": 1, "digest": "0" * 64, "conn_id": None}
    said = _refused_by_score(place, scored, [first, second], "score")
    assert set(said) == {"score-0", "score-1"}
    assert "root:" not in str(said)


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda plan: plan[:1], id="a partition less"),
        pytest.param(lambda plan: [plan[0], plan[0]], id="one twice"),
        pytest.param(lambda plan: [], id="nothing"),
    ],
)
def test_a_plan_that_lost_a_partition_publishes_nothing(
    place: Place, scored: Run, forge: Callable[[Plan], Plan]
) -> None:
    """Else a run would be green, and a year not in it."""
    user = place.people["user"]
    before = _published(place)
    plan: Plan = user.xcom(scored, "plan")
    user.delete_xcom(scored, "score", 1)
    with edited(user, scored, "plan", forge(plan)):
        said = cleared(user, scored, "check_scores", "publish")
    assert set(said) == {"check_scores"}
    assert said["check_scores"].startswith("GateError")
    assert _published(place) == before


def test_scores_that_were_edited_are_not_checked(place: Place, scored: Run) -> None:
    user = place.people["user"]
    honest = user.xcom(scored, "score", 0)
    forged = copy.deepcopy(honest)
    forged["manifests"][0]["generation"] += 10**18
    for value in (forged, {**honest, "seal": "0" * 64}, user.xcom(scored, "plan")[0]):
        with edited(user, scored, "score", value, 0):
            said = cleared(user, scored, "check_scores")
        assert set(said) == {"check_scores"}
        assert said["check_scores"].startswith("GateError")


def test_what_the_check_returned_is_published_as_it_is(place: Place, scored: Run) -> None:
    user = place.people["user"]
    before = _published(place)
    honest = user.xcom(scored, "check_scores")
    fewer = {**honest, "scores": honest["scores"][:1]}
    newer = copy.deepcopy(honest)
    newer["scores"][0]["manifests"][0]["generation"] += 10**18
    unchecked = [user.xcom(scored, "score", place_in_plan) for place_in_plan in (0, 1)]
    for value in (fewer, newer, unchecked, {"label": "all", "scores": unchecked}, None):
        with edited(user, scored, "check_scores", value):
            said = cleared(user, scored, "publish")
        assert set(said) == {"publish"}
        assert said["publish"].startswith("GateError")
    assert _published(place) == before


def test_where_the_dag_hands_a_model_on_the_name_of_one_will_not_do(place: Place, scored: Run) -> None:
    """Else an old version, or one that a gate refused, would be promoted or scored with."""
    user = place.people["user"]
    with edited(user, scored, "train", str(version_of(place.home / "wta" / "models" / "wta"))):
        said = cleared(user, scored, "check_model")
    assert set(said) == {"check_model"}
    assert said["check_model"].startswith("GateError: model: ")


@pytest.mark.parametrize(("task_id", "after"), [("train", "check_model"), ("check_model", "plan")])
def test_the_model_that_a_task_names_is_one_of_the_dag(
    place: Place, scored: Run, mark: Path, task_id: str, after: str
) -> None:
    user = place.people["user"]
    models = place.home / "wta" / "models" / "wta"
    alias = models / "aliases" / "champion.json"
    before = alias.read_bytes()
    evil = malicious_version(place.home / "uploads" / "v2", version_of(models), mark)
    value = {**user.xcom(scored, task_id), "model": evil["uri"], "version": "v2", "digest": evil["digest"]}
    with edited(user, scored, task_id, value):
        said = cleared(user, scored, after)
    assert set(said) == {after}
    assert said[after].startswith(("ModelError", "GateError"))
    assert alias.read_bytes() == before
    assert not mark.exists()


def test_a_run_that_nobody_edited_goes_through_again(place: Place, scored: Run) -> None:
    """Clearing is what honest people do, too."""
    before = _published(place)
    assert cleared(place.people["user"], scored, "plan", "score", "check_scores", "publish") == {}
    assert _published(place) == before
