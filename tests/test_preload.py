"""What is imported before tasks are forked works in them, and tasks do not notice that it is shared."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest
from commands import run_command
from support import ROOT

pytestmark = [pytest.mark.dag, pytest.mark.slow, pytest.mark.timeout(200)]

CASES = [
    *("train_and_score", "compute_on_three_threads", "run_a_cluster", "draw", "draw", "draw_seeded"),
    "meet_a_replaced_module",
]


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process said that preloaded, and what each case returned in a fork of its fork."""
    folder = tmp_path_factory.mktemp("preloaded")
    command = [sys.executable, str(ROOT / "tests" / "preloaded.py"), str(folder), *CASES]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts")])}
    done = run_command(command, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    threads, *returned = [json.loads(line[2:]) for line in done.stdout.splitlines() if line.startswith("= ")]
    drawn = [value for case, value in zip(CASES, returned, strict=True) if case == "draw"]
    return {**dict(zip(CASES, returned, strict=True)), "threads": threads, "drawn": drawn, "said": done.stderr}


def test_preloading_starts_no_thread_of_python(forks: dict[str, Any]) -> None:
    assert forks["threads"] == 1


def test_a_module_that_cannot_be_imported_is_left_to_the_tasks(forks: dict[str, Any]) -> None:
    assert "broken was not imported before tasks are forked: ValueError: no such card" in forks["said"]


def test_a_fork_trains_and_scores(forks: dict[str, Any]) -> None:
    assert forks["train_and_score"]


def test_a_fork_computes_on_as_many_threads_as_it_asks_for(forks: dict[str, Any]) -> None:
    assert forks["compute_on_three_threads"] == {"openmp": 3, "blas": 3, "right": True, "run": True}


def test_a_fork_runs_a_dask_cluster(forks: dict[str, Any]) -> None:
    assert forks["run_a_cluster"] == 55


def test_forks_draw_different_random_numbers(forks: dict[str, Any]) -> None:
    (python, numpy), (other_python, other_numpy) = forks["drawn"]
    assert python != other_python
    assert numpy != other_numpy


def test_a_seed_that_a_task_sets_holds_in_its_forks(forks: dict[str, Any]) -> None:
    first, second = forks["draw_seeded"]
    assert first == second


def test_a_task_is_refused_once_a_module_was_replaced(forks: dict[str, Any]) -> None:
    assert forks["meet_a_replaced_module"].startswith("EngineError: changing: replaced on this machine after")
