"""The grid of a data set that runs have scored: what each run did, and how each partition stands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.utils.session import create_session
from lent import lent_connections
from made_runs import BEGAN, MadeRun
from pages import History, People, data_in, run_dag
from sqlalchemy import update
from support import good_rows, write_csv

from airflow_batchscore.plugin import dataset_list, reads, recent_runs
from airflow_batchscore.plugin.recent_runs import RunCache
from airflow_batchscore.plugin.scoring_dags import scoring_dags
from airflow_batchscore.publish.progress import PROGRESS_KEY

pytestmark = pytest.mark.dag

ENDED = BEGAN + timedelta(seconds=30)


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an API server that has just started."""
    monkeypatch.setattr(dataset_list, "_kept", RunCache(99))
    monkeypatch.setattr(dataset_list, "_plans", reads.Reads(99))


def _seen(history: History) -> Any:
    (grid,) = (grid for grid in history.ask("datasets")["datasets"] if grid["dag_ids"] == ["seen_pipeline"])
    return grid


def _runs_of(dag_id: str) -> list[str]:
    """The runs in the grids of a DAG."""
    with create_session() as session:
        grids = dataset_list.dataset_list(session, scoring_dags(session, [dag_id]))
    return [run["run_id"] for grid in grids for run in grid["runs"]]


def _made(folder: Path, *sizes: int) -> MadeRun:
    """A run that is over, which has scored its plan."""
    run = MadeRun(folder, dag_id="never_run", state="success", ended=ENDED)
    for entry in run.plan(sizes):
        run.scored(entry)
    return run


@pytest.mark.parametrize("is_kept", [False, True])
def test_the_grid_tells_what_was_scored_when_with_which_version(
    history: History, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_kept:
        monkeypatch.setattr(dataset_list, "_kept", RunCache(9))
    grid = _seen(history)
    assert grid["dataset"] == f"{history.folder}/part_{{p}}.csv"
    assert [run["run_id"] for run in grid["runs"]] == [history.good, history.failed, history.newest]
    assert grid["partitions"] == ["p=1", "p=2", "p=3"]
    old, new = grid["versions"]
    assert new == f"{old}-2"
    assert grid["cells"] == [[0, 0, -1], [-1, -2, -1], [0, -1, 1]]
    assert [(each["state"], each["version"], each["run_id"]) for each in grid["latest"]] == [
        ("stale", old, history.failed),
        ("missing", None, None),
        ("fresh", new, history.newest),
    ]
    assert grid["latest"][1]["why"] == f"Run {history.failed} failed on it, and no other run here has scored it."


def test_stages_of_a_run_are_told_apart_by_their_plans_and_data_sets(
    airflow_dags: dict[str, Any], people: People, tmp_path: Path
) -> None:
    write_csv(data_in(tmp_path) / "other_9.csv", good_rows(20))
    run = run_dag(airflow_dags, "two_stages", tmp_path, partitions=[1, 2])
    assert str(run.state) == "success"
    answer = people["admin"].get("/api/datasets")
    grids = {each["dataset"]: each for each in answer.json()["datasets"] if each["dag_ids"] == ["two_stages"]}
    assert sorted(grids) == [f"{tmp_path}/other_{{p}}.csv", f"{tmp_path}/part_{{p}}.csv"]
    both, other = grids[f"{tmp_path}/part_{{p}}.csv"], grids[f"{tmp_path}/other_{{p}}.csv"]
    champion, challenger = (
        next(path.name for path in (tmp_path / model).iterdir() if (path / "model.json").exists())
        for model in ("champion", "challenger")
    )
    assert both["partitions"] == ["p=1", "p=2"]
    assert [both["versions"][cell] for (cell,) in both["cells"]] == [f"{champion}, {challenger}", champion]
    assert [each["state"] for each in both["latest"]] == ["fresh", "fresh"]
    assert (other["partitions"], other["versions"], other["cells"]) == (["p=9"], ["a function"], [[0]])


@pytest.mark.parametrize("told", ['"/mine_{p}.csv"', '"\\ud800"', "[" * 5000 + "]" * 5000])
def test_what_somebody_wrote_into_the_state_store_is_not_shown(history: History, told: str) -> None:
    chosen = (TaskStateStoreModel.run_id == history.good, TaskStateStoreModel.key == PROGRESS_KEY)
    with create_session() as session:
        done = session.execute(update(TaskStateStoreModel).where(*chosen).values(value=f'{{"dataset": {told}}}'))
        assert done.rowcount
        session.commit()
        assert _seen(history)["dataset"] == f"{history.folder}/part_{{p}}.csv"


def test_a_scoring_task_with_a_data_set_of_its_own_has_its_own_grid() -> None:
    def scoring(dataset: str | None) -> Any:
        return dataset_list.ScoringDagTask("score", "score", None, False, dataset, frozenset())

    plan_task = dataset_list.ScoringDagTask("plan", "plan", None, False, "{{ x }}/{p}", frozenset({"score"}))
    plan = dataset_list._Plan("/rendered/{p}", {"one": {"p=1": "v1"}}, {"p=1": 1})

    def grids(dataset: str | None) -> list[str]:
        facts = dataset_list._Facts({plan_task: plan}, {scoring(dataset): {"one"}})
        return [uri for uri, _ in dataset_list._stages(facts)]

    assert grids("{{ x }}/{p}") == grids(None) == ["/rendered/{p}"]
    assert grids("/fixed/{p}") == ["/fixed/{p}"]


def test_what_another_plans_task_scored_is_not_this_plans() -> None:
    def task(task_id: str, kind: Any, *downstream: str) -> Any:
        return dataset_list.ScoringDagTask(task_id, kind, None, False, "/{p}", frozenset(downstream))

    def plan(version: str) -> Any:
        return dataset_list._Plan("/{p}", {"one": {"p=1": version}}, {"p=1": 1})

    plans = {task("plan_1", "plan", "z_score"): plan("v1"), task("plan_2", "plan", "a_score"): plan("v2")}
    facts = dataset_list._Facts(plans, {task("a_score", "score"): set(), task("z_score", "score"): {"one"}})
    assert [(stage.planned["p=1"], stage.scored) for _, stage in dataset_list._stages(facts)] == [
        ("v1", {"p=1"}),
        ("v2", set()),
    ]


@pytest.mark.usefixtures("airflow_dags", "nothing_kept")
def test_a_run_whose_plan_cannot_be_read_is_there_again_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    run_id = _made(lists, 21).write()
    away = lists.rename(tmp_path / "away")
    assert run_id not in _runs_of("never_run")
    away.rename(lists)
    monkeypatch.setattr(reads, "_FAILED_SECONDS", -1.0)
    assert run_id in _runs_of("never_run")


@pytest.mark.usefixtures("airflow_dags", "nothing_kept")
def test_a_plan_that_is_not_read_in_time_leaves_its_run_out_and_holds_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(entries: Any) -> Any:
        found.append(set(held))
        gate.wait()
        return before(entries)

    found, gate, before = list[set[int]](), Event(), dataset_list.full
    monkeypatch.setattr(dataset_list, "_SECONDS", 0.5)
    monkeypatch.setattr(dataset_list, "full", lambda entries: slow(entries) if str(tmp_path) in str(entries) else [])
    run_id = _made(tmp_path, 21).write()
    with lent_connections() as held:
        try:
            assert run_id not in _runs_of("never_run")
            assert found == [set()]
        finally:
            gate.set()
    monkeypatch.setattr(dataset_list, "_SECONDS", 600.0)
    assert run_id in _runs_of("never_run")


@pytest.mark.usefixtures("airflow_dags", "nothing_kept")
def test_a_run_that_did_not_fit_on_the_page_is_not_remembered_as_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out, shown = (_made(tmp_path, 1, 1, 1).write() for _ in range(2))
    monkeypatch.setattr(recent_runs, "_MOST_TASKS", 3)
    first = _runs_of("never_run")
    assert shown in first
    assert left_out not in first
    assert left_out in _runs_of("never_run"), "the other run is known by now"
