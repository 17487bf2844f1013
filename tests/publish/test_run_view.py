"""The JSON of a run's page and of a task's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

import pytest
from run_records import NOW, at, entry, plan, progress, records, scored, task

from airflow_batchscore.plan.estimate import Room, Sampled, predict
from airflow_batchscore.publish.progress import Failure, GateResult, SlowBlock
from airflow_batchscore.publish.run_view import May, RunView, nothing_here
from airflow_batchscore.publish.run_view_records import Drifts, RunRecords
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.check import Check

pytestmark = pytest.mark.unit

MAY = May(rerun=True, ask=True)


def _going_on() -> RunRecords:
    """Two partitions are scored, one of them was before; one is in progress, one failed, one waits."""
    entries = plan(5)
    states = ["success", "success", "running", "failed", None]
    tasks = [task(state, index) for index, state in enumerate(states)]
    return records(
        *(task("success", -1, "plan"), task(None, -1, "check_scores"), *tasks),
        plans=[entries],
        scored={("score", 0): scored(entries[0]), ("score", 1): scored(entries[1], reused=True)},
        progress={
            ("score", 0): progress(blocks=4, account=Account(10, 7, 2, 1)),
            ("score", 2): progress(slowest=[SlowBlock("p=2", 0, 5, 1.5)]),
        },
        failures={("score", 3): Failure(1, "InputError", "partition p=3: no such column", retried=False)},
        drifts=Drifts(0.3, 0.25, {"digest of 0": (0.3, "a"), "digest of 1": (0.1, "b")}),
    )


def test_the_totals_add_up_what_is_known() -> None:
    totals = RunView(_going_on()).to_dict(MAY, model=None, outputs=[])["totals"]
    assert (totals["partitions"], totals["rows_read"], totals["rows_quarantined"]) == (5, 25, 2)
    assert totals["by_state"] == {"waiting": 1, "running": 1, "scored": 1, "reused": 1, "failed": 1, "skipped": 0}
    assert (totals["blocks"], totals["blocks_total"]) == (9, 12)
    assert (totals["bytes"], totals["bytes_done"]) == (500, 250)  # of the one in progress a block, and half of two
    assert totals["seconds"] == 290
    assert totals["rows_per_second"] == round(15 / 290, 1)  # reused rows are not this run's work
    assert totals["drift"] == {"value": 0.3, "column": "a", "partition": "p=0"}
    assert totals["drift_limit"] == 0.25
    assert totals["eta"]["low"] < totals["eta"]["seconds"] < totals["eta"]["high"]


def test_an_estimate_stands_beside_what_it_took() -> None:
    entries, told = plan(2), predict([], Room(), Sampled(30, 0.5))
    run = records(
        *(task("success", 0), task("running", 1)),
        plans=[entries],
        progress={("score", 0): progress(peak=3_000), ("score", 1): progress(peak=2_000)},
        estimates=[told],
    )

    def shown(run: RunRecords) -> object:
        return RunView(run).to_dict(MAY, model=None, outputs=[])["estimate"]

    assert shown(run) == {
        "seconds": 0.0,
        "low": 0.0,
        "high": 0.0,
        "peak_memory": None,
        "cost": None,
        "rows": 0,
        "sample_seconds": 0.5,
        "sample_rows": 30,
        "took_memory": 3_000,
    }
    assert shown(replace(run, estimates=[])) is None
    assert shown(replace(run, estimates=[told, told])) is None  # of two plans, nobody knows which
    before = replace(run, progress={("score", 0): progress()})  # written by an earlier version
    assert shown(before) == {**cast("dict[str, object]", shown(run)), "took_memory": None}


def test_a_run_that_is_over_has_no_time_left() -> None:
    entries = plan(1)
    run = records(
        task("success"), task("failed", 1), plans=[entries], scored={("score", 0): scored(entries[0])}, state="failed"
    )
    totals = RunView(run).to_dict(MAY, model=None, outputs=[])["totals"]
    assert (totals["eta"], totals["seconds"]) == (None, 30.0)


def test_stages_stand_in_the_order_of_the_flow_with_their_worst_state() -> None:
    stages = RunView(_going_on()).to_dict(MAY, model=None, outputs=[])["stages"]
    assert [(stage["kind"], stage["state"], stage["tasks"]) for stage in stages] == [
        ("plan", "success", 1),
        ("score", "failed", 5),
        ("check_scores", None, 1),
    ]
    assert stages[1]["by_state"] == {"success": 2, "running": 1, "failed": 1, "none": 1}
    assert (stages[1]["started"], stages[1]["ended"], stages[1]["seconds"]) == (at(10).isoformat(), None, 290.0)


def test_failures_are_pointed_at_by_their_tasks() -> None:
    view = RunView(_going_on()).to_dict(MAY, model=None, outputs=[])
    assert [failure["message"] for failure in view["failures"]] == ["partition p=3: no such column"]
    assert [each["failure"] for each in view["partitions"]["tasks"]] == [None, None, None, 0, None]
    assert view["inputs"] == [{"dataset": "/data/{p}.csv"}]
    assert (view["may"], view["incomplete"]) == ({"rerun": True, "ask": True}, False)
    json.dumps(view, allow_nan=False)


def test_a_gate_shows_its_checks() -> None:
    gate = task("failed", -1, "check_scores")
    result = GateResult([Check("rows in quarantine", "3", "0", "3 rows are in quarantine")])
    (view,) = RunView(records(gate, gates={gate.instance: result})).to_dict(MAY, model=None, outputs=[])["gates"]
    assert (view["kind"], view["state"]) == ("check_scores", "failed")
    assert view["checks"][0]["problem"] == "3 rows are in quarantine"


def test_a_dag_of_others_has_nothing_to_show() -> None:
    view = RunView(records()).to_dict(MAY, model=None, outputs=[])
    assert (view["is_scoring"], view["stages"], view["totals"]["partitions"]) == (False, [], 0)
    other = nothing_here("dag", "run", ("extract", -1), "success", NOW, MAY)
    assert (other["kind"], other["state"]) == (None, "success")
    assert other.keys() == RunView(_going_on()).task_dict(("score", 2), MAY).keys()  # type: ignore[union-attr]


def test_the_page_of_a_task_shows_its_own_part() -> None:
    view = RunView(_going_on()).task_dict(("score", 2), MAY)
    assert view is not None
    assert (view["kind"], view["label"], view["state"]) == ("score", "p=2", "running")
    assert (view["partitions"]["key"], view["totals"]["rows_read"]) == (["p=2"], 5)
    assert view["progress"]["slowest"] == [{"partition": "p=2", "block": 0, "rows": 5, "seconds": 1.5}]
    assert view["progress"]["engine"] == "LocalDask, 2 threads"
    assert view["failure"] is None


def test_the_page_of_a_failed_task_says_why() -> None:
    view = RunView(_going_on()).task_dict(("score", 3), MAY)
    assert view is not None
    assert (view["label"], view["failure"]["kind"]) == ("p=3", "InputError")
    assert RunView(_going_on()).task_dict(("score", 99), MAY) is None


def test_a_pack_counts_by_its_partitions_until_a_block_has_ended() -> None:
    running = task("running")
    said = progress(blocks=0, done=[[0, 1]], current=[2], account=Account(8, 8))
    run = records(running, plans=[[entry(0, 0, 1, 2, 3)]], progress={running.instance: said})
    assert RunView(run).to_dict(MAY, model=None, outputs=[])["totals"]["bytes_done"] == 200
