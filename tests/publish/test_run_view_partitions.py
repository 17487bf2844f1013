"""The state of each partition, whatever its task left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from run_records import MODEL, entry, plan, progress, records, scored, task

from airflow_batchscore.plan.models import ChampionAndChallenger, Chosen, ModelPerPartition, NoModel
from airflow_batchscore.publish.run_view_failures import Failures
from airflow_batchscore.publish.run_view_matching import matched_entries
from airflow_batchscore.publish.run_view_partitions import PartitionTable, scoring_works
from airflow_batchscore.publish.run_view_records import Drifts, RunRecords
from airflow_batchscore.quality.accounting import Account

pytestmark = pytest.mark.unit


def _table(run: RunRecords, failures: Failures | None = None) -> PartitionTable:
    return PartitionTable.of(scoring_works(run, matched_entries(run)), failures or Failures([], {}), run.drifts)


def test_a_plan_that_no_task_has_taken_waits() -> None:
    table = _table(records(plans=[plan(3)]))
    assert (table.key, table.state) == (["p=0", "p=1", "p=2"], ["waiting"] * 3)
    assert table.bytes == [100] * 3
    assert table.model == ["v1"] * 3
    assert table.tasks[0]["task_id"] == ""


def test_what_a_task_returned_is_its_partitions_state() -> None:
    entries = plan(2)
    tasks = [task("success", index) for index in range(2)]
    run = records(
        *tasks,
        plans=[entries],
        scored={tasks[0].instance: scored(entries[0]), tasks[1].instance: scored(entries[1], reused=True)},
        drifts=Drifts(partitions={"digest of 1": (0.3, "a")}),
    )
    table = _table(run)
    assert table.state == ["scored", "reused"]
    assert (table.rows_read, table.rows_quarantined, table.blocks) == ([10, 10], [1, 1], [4, 4])
    assert (table.seconds, table.rows_per_second) == ([2.0, 2.0], [5.0, None])
    assert (table.drift, table.drift_column) == ([None, 0.3], [None, "a"])


def test_a_partition_in_progress_shows_its_rows() -> None:
    running = task("running")
    run = records(running, plans=[plan(1)], progress={running.instance: progress(rows_before=1)})
    table = _table(run)
    assert (table.state, table.rows_read, table.blocks, table.blocks_total) == (["running"], [5], [1], [4])
    assert table.rows_per_second == [0.2]


@pytest.mark.parametrize(
    ("state", "states"),
    [
        ("running", ["scored", "scored", "running", "waiting"]),
        ("failed", ["scored", "scored", "failed", "waiting"]),
        ("up_for_retry", ["scored", "scored", "waiting", "waiting"]),
        ("skipped", ["scored", "scored", "skipped", "skipped"]),
    ],
)
def test_of_a_pack_each_partition_has_its_own_state(state: str, states: list[str]) -> None:
    one = task(state)
    said = progress(done=[[0, 1]], current=[2], account=Account(25, 25))
    table = _table(records(one, plans=[[entry(0, 0, 1, 2, 3)]], progress={one.instance: said}))
    assert table.state == states
    assert table.rows_read == [0] * 4  # they are known together alone
    assert len(table.tasks) == 1


def test_a_new_try_forgets_what_an_earlier_one_said() -> None:
    again = task("running", try_number=2)
    table = _table(records(again, plans=[[entry(0, 0, 1)]], progress={again.instance: progress(done=[[0, 1]])}))
    assert table.state == ["waiting", "waiting"]


@pytest.mark.parametrize("done", [[[0, 10**12]], [[-5, 0]], [[7, 3]]])
def test_ranges_that_somebody_wrote_cost_nothing(done: Any) -> None:
    running = task("running")
    table = _table(records(running, plans=[[entry(0, 0, 1)]], progress={running.instance: progress(done=done)}))
    assert len(table.state) == 2


def test_a_task_that_failed_without_progress_leaves_nothing_of_its_pack() -> None:
    table = _table(records(task("failed"), plans=[[entry(0, 0, 1)]]), Failures([], {("score", 0): 0}))
    assert table.state == ["failed", "failed"]
    assert table.tasks[0]["failure"] == 0


def test_a_task_marked_as_a_success_has_scored_nothing() -> None:
    assert _table(records(task("success"), plans=[plan(1)])).state == ["failed"]


def test_of_two_stages_over_the_same_partitions_each_has_its_own_plan() -> None:
    first, second = [entry(0, 0)], [entry(0, 0, models=NoModel())]
    run = records(
        task("running", 0, task_id="champion"),
        task("running", 0, task_id="challenger"),
        plans=[second, first],
        planned_by={"champion": [1], "challenger": [0]},
    )
    matched = matched_entries(run)
    assert matched["champion", 0] is first[0]
    assert matched["challenger", 0] is second[0]


def test_a_killed_task_is_named_by_the_plan() -> None:
    table = _table(records(*(task("failed", index) for index in range(3)), plans=[plan(3)]))
    assert [each["label"] for each in table.tasks] == ["p=0", "p=1", "p=2"]


def test_tasks_on_workers_of_two_kinds_find_their_entries() -> None:
    entries = [entry(index, index, of=3, resources="big" if index == 1 else "small") for index in range(3)]
    run = records(
        task("failed", 0, task_id="score_big"),
        *(task("running", index, task_id="score_small") for index in range(2)),
        plans=[entries],
    )
    table = _table(run)
    assert table.key == ["p=0", "p=1", "p=2"]
    assert [each["task_id"] for each in table.tasks] == ["score_small", "score_big", "score_small"]


def test_labels_count_more_than_places() -> None:
    """A DAG may expand over some entries, in an order of its own."""
    entries = plan(3)
    run = records(task("running", 0, label="p=2"), task("running", 1, label="p=0"), plans=[entries])
    table = _table(run)
    assert [(table.key[at], table.tasks[table.task[at]]["map_index"]) for at in range(3)] == [
        ("p=0", 1),
        ("p=1", -1),
        ("p=2", 0),
    ]


def test_without_a_plan_the_partitions_are_those_that_were_returned() -> None:
    done = task("success")
    assert _table(records(done, scored={done.instance: scored(entry(0, 5))})).key == ["p=5"]


def test_the_model_of_a_partition_says_how_it_was_chosen() -> None:
    choices = {
        "p=0": Chosen(MODEL),
        "p=1": Chosen(MODEL, "fallback", "missing"),
        "p=2": Chosen(None, "skipped", "stale"),
    }
    table = _table(records(plans=[[entry(0, 0, 1, 2, models=ModelPerPartition(choices, MODEL))]]))
    assert table.model == ["v1", "v1 (missing, fallback)", "(stale, skipped)"]
    both = ChampionAndChallenger(MODEL, replace(MODEL, uri="/m/v2"))
    assert _table(records(plans=[[entry(0, 0, models=both)]])).model == ["v1, challenged by v2"]
