"""Which processes of Airflow import what tasks need: those that fork tasks, unless the configuration says otherwise."""

from __future__ import annotations

import json
import os
import sys

import pytest
from commands import run_command
from support import ROOT

from airflow_batchscore.plugin import preloading

pytestmark = [pytest.mark.dag, pytest.mark.slow]

#: Starts as an `airflow` command does, and does what the scheduler and Celery's worker do before they fork.
_SCRIPT = """
import json, os, sys
cases = json.loads(sys.argv[1])
sys.argv[1:] = cases[0][0]
import airflow
from airflow.listeners.listener import get_listener_manager

loaded = []
for words, environment in cases:
    if not os.fork():
        sys.argv[1:] = words
        os.environ |= environment
        assert not get_listener_manager().has_listeners
        if "celery.signals" in sys.modules:
            from celery.signals import import_modules
            import_modules.send(sender=None)
        print(json.dumps([name for name in ("distributed", "sklearn", "wave") if name in sys.modules]), flush=True)
        os._exit(0)
    os.wait()
"""
#: As a Celery worker; `gc.get_objects` leaves out what `gc.freeze` exempted.
_FREEZES = """
import gc, sys
sys.argv[1:] = ["celery", "worker"]
import airflow
import airflow.providers.celery.executors.celery_executor_utils
from celery.signals import import_modules

import_modules.send(sender=None)
modules = {id(sys.modules[name]) for name in ("distributed", "sklearn")}
print("=", len(modules), sum(id(each) in modules for each in gc.get_objects()))
"""
_LOADS = """
import sys
sys.argv[1:] = ["scheduler"]
from airflow.plugins_manager import get_import_errors
print("=", [name for name in get_import_errors() if "batchscore" in name], "distributed" in sys.modules)
"""
_LOCAL, _CELERY = {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}, {"AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"}
_BOTH = {"AIRFLOW__CORE__EXECUTOR": "CeleryExecutor,airflow.executors.local_executor.LocalExecutor"}
_OFF, _WAVE = {"AIRFLOW__BATCHSCORE__PRELOAD": "False"}, {"AIRFLOW__BATCHSCORE__PRELOAD_MODULES": "wave, no_such_one"}
_ALL = ["distributed", "sklearn"]


def _loaded(*cases: tuple[str, dict[str, str]]) -> list[list[str]]:
    """For each command and environment, which libraries the process has; Airflow is imported as by the first."""
    command = [sys.executable, "-c", _SCRIPT, json.dumps([(words.split(), given) for words, given in cases])]
    done = run_command(command, capture_output=True, text=True, check=True, env=os.environ, cwd=ROOT)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def test_a_scheduler_preloads_if_it_forks_tasks_and_no_other_process_does() -> None:
    assert _loaded(("scheduler", _LOCAL), ("scheduler -D", _BOTH | _WAVE)) == [_ALL, [*_ALL, "wave"]]
    others = [(words, _LOCAL) for words in ("api-server", "triggerer", "dag-processor", "tasks list scheduler")]
    does_not = [("scheduler", _CELERY), ("scheduler", _LOCAL | _OFF), *others]
    assert _loaded(*does_not) == [[]] * len(does_not)


def test_a_wrong_setting_is_named_and_the_plugin_loads_without_preloading() -> None:
    env = os.environ | _LOCAL | {"AIRFLOW__BATCHSCORE__PRELOAD": "maybe"}
    done = run_command([sys.executable, "-c", _LOADS], capture_output=True, text=True, check=True, env=env, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "= [] False"
    assert "[batchscore] preload='maybe': write True or False" in done.stdout + done.stderr


def test_what_the_openlineage_provider_asks_for_is_imported_where_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr(preloading, "preload", lambda *names: imported.extend(names))
    lineage = "airflow_batchscore.operators.lineage"
    preloading.preload_as_configured.__wrapped__()
    assert {lineage, "airflow_batchscore.operators.score"} <= {*imported}
    imported.clear()
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage", None)
    preloading.preload_as_configured.__wrapped__()
    assert "airflow_batchscore.operators.score" in imported
    assert lineage not in imported


def test_a_celery_worker_preloads() -> None:
    command = "celery worker --concurrency 2"
    assert _loaded((command, _CELERY), (command, _CELERY | _OFF)) == [_ALL, []]


def test_garbage_collection_in_forks_of_a_celery_worker_leaves_the_libraries_alone() -> None:
    """Airflow's provider sees to that, if it does so after the libraries are imported."""
    done = run_command([sys.executable, "-c", _FREEZES], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "= 2 0"
