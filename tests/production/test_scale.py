"""Very many partitions: what a plan of 100,000 costs, and 2,000 through a real scheduler."""

from __future__ import annotations

import json
import secrets
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from celery_airflow import CeleryAirflow, PostgreSQL, Redis
from runs import succeed
from stack import Stack, free_port
from support import copy_dags, good_rows, small, write_csv

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.operators.stored_lists import shortened
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.plan.packing import make_plan, requested_partitions

pytestmark = [pytest.mark.production, pytest.mark.timeout(900)]

MAX_TASKS = 1024


def test_a_plan_of_100000_partitions_is_a_small_xcom(tmp_path: Path) -> None:
    folders = [tmp_path / "data" / f"device={number:03d}" for number in range(100)]
    for place, folder in enumerate(folders):
        folder.mkdir(parents=True)
        for number in range(1000):
            (folder / f"{number:03d}.csv").write_bytes(b"x" * (place % 7))
    dataset = PartitionedDataset(f"{tmp_path}/data/device={{device}}/{{sensor}}.csv")
    model = small(tmp_path / "model").model
    began = time.monotonic()
    plan = make_plan(requested_partitions(dataset, None), OneModel(model), max_tasks=MAX_TASKS)
    seconds = time.monotonic() - began
    assert sum(len(entry.partitions) for entry in plan) == 100_000
    assert len(plan) == MAX_TASKS
    whole = [entry.to_dict() for entry in plan]
    short = [shortened(entry, Location(f"{tmp_path}/plan")) for entry in whole]
    inline, referred = len(json.dumps(whole)), len(json.dumps(short))
    print(f"planned in {seconds:.1f} s; XCom of {inline:,} bytes inline, {referred:,} with references")
    assert referred < 1024 * 1024 < inline


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with (
        PostgreSQL(secrets.token_hex(16), free_port(), "airflow") as database,
        Redis(tmp_path / "redis") as broker,
        CeleryAirflow(tmp_path / "celery", copy_dags(tmp_path / "dags"), database, broker, {}) as airflow,
    ):
        yield airflow.stack


def test_2000_partitions_go_through_a_real_scheduler_in_packs(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    write_csv(folder / "part_0.csv", good_rows(200))
    for number in range(1, 2001):
        write_csv(folder / f"part_{number}.csv", good_rows(3, 10 * number))
    began = time.monotonic()
    conf = {"partitions": "1..2000", "max_tasks": 40, "output": "out"}
    run_id = succeed(stack, "many_partitions", conf, folder)
    seconds = time.monotonic() - began
    found = pd.read_parquet(folder / "out")
    assert sorted(found["id"]) == sorted(10 * number + row for number in range(1, 2001) for row in range(3))
    tasks = [task for task in stack.task_instances("many_partitions", run_id) if task["task_id"] == "score"]
    assert len(tasks) == 40
    assert len(list(folder.glob("staged/*/*/manifests/*.json"))) == 2000
    health = stack.health()
    assert health["scheduler"]["status"] == "healthy"
    sizes = {task: _xcom_bytes(stack, run_id, task) for task in ("plan", "score", "check_scores", "publish")}
    print(f"2,000 partitions in {len(tasks)} tasks: {seconds:.0f} s; bytes of XCom: {sizes}")
    assert max(sizes.values()) < 64 * 1024


def _xcom_bytes(stack: Stack, run_id: str, task: str) -> int:
    place = f"/api/v2/dags/many_partitions/dagRuns/{urllib.parse.quote(run_id)}/taskInstances/{task}/xcomEntries"
    entry = stack.get(f"{place}/return_value?map_index={0 if task == 'score' else -1}")
    return len(json.dumps(entry["value"]))
