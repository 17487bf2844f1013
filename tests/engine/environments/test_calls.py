"""A function in another Python, which is this one's interpreter once more: what comes back, and how both end."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import run_command, start_command
from processes import alive
from support import ROOT, wait_for

import airflow_batchscore
from airflow_batchscore.data.storage import credentials
from airflow_batchscore.engine.base import WorkerLostError
from airflow_batchscore.engine.environments.calls import call, own_paths
from airflow_batchscore.errors import EngineError, InputChangedError, RecipeError

pytestmark = [pytest.mark.unit, pytest.mark.slow]


CRASHES = ("SIGBUS", "SIGSEGV", "SIGILL")


def _call(name: str, *arguments: object, **options: Any) -> Any:
    return call(sys.executable, f"called_elsewhere:{name}", *arguments, **options)


def test_a_function_runs_there_with_this_packages_own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/libraries/of/the/task")
    credentials.register("store", {"secret": "s3cr3t"})
    try:
        there = _call("about")
    finally:
        credentials.forget("store")
    assert there.pop("pid") != os.getpid()
    assert there.pop("connections")["store"] == {"secret": "s3cr3t"}
    assert there == {
        "python": sys.executable,
        "prefix": sys.prefix,
        "airflow": False,
        "package": str(Path(airflow_batchscore.__file__).parent),
        "path": None,
    }
    assert _call("add", 1, 2) == 3


def test_logs_and_news_arrive_while_it_runs(caplog: pytest.LogCaptureFixture) -> None:
    counted = []
    with caplog.at_level(logging.INFO, "airflow_batchscore"):
        _call("say", news={"counted": lambda *values: counted.append(values)})
    assert counted == [(1, 2)]
    assert ("airflow_batchscore.here", logging.WARNING, "said there") in caplog.record_tuples


@pytest.mark.parametrize(
    ("name", "raised", "said"),
    [
        ("InputChangedError", InputChangedError, "^what happened$"),
        ("ConnectionError", OSError, "^what happened$"),
        ("ConnectionResetError", OSError, "^what happened$"),
        ("ZeroDivisionError", RuntimeError, "^ZeroDivisionError: what happened$"),
    ],
)
def test_an_error_is_raised_here_as_it_was_there(name: str, raised: type[Exception], said: str) -> None:
    with pytest.raises(raised, match=said):
        _call("fail", name, "what happened")


def test_the_log_shows_the_stack_of_the_users_code_alone(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RecipeError, match="the recipe failed"):
        _call("fail_with_cause")
    assert "a column of the user's" in caplog.text
    caplog.clear()
    with pytest.raises(RecipeError):
        _call("fail", "RecipeError", "its message says it all")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("how", "raised", "said"),
    [
        (
            "SIGKILL",
            WorkerLostError,
            "ended by SIGKILL, most likely for lack of memory, while it scored p=1.*more memory",
        ),
        ("SIGTERM", WorkerLostError, "ended by SIGTERM, while it scored p=1. What was written is kept for a retry$"),
        *((name, WorkerLostError, f"{name}, most likely by a library that is damaged") for name in CRASHES),
        ("exit", EngineError, "ended with status 7 while it scored p=1"),
    ],
)
def test_a_process_that_dies_is_explained(how: str, raised: type[Exception], said: str) -> None:
    with pytest.raises(raised, match=said):
        _call("end", how, doing=lambda: "scored p=1")


def test_a_module_that_is_missing_there_is_named() -> None:
    with pytest.raises(EngineError, match="cannot import what it needs: No module named 'a_module_that_nobody_has'"):
        _call("needs_a_module")


def test_an_interpreter_that_does_not_exist_is_named() -> None:
    with pytest.raises(EngineError, match="python=/no/python: it cannot be started on this worker"):
        call("/no/python", "called_elsewhere:add", 1, 2)


def test_a_python_without_the_packages_is_told_what_to_install(tmp_path: Path) -> None:
    run_command([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    python = f"{tmp_path}/bin/python"
    with pytest.raises(EngineError, match=f"{python} lacks .*pandas.*: {python} -m pip install .*'pandas<4,>=2.2'"):
        call(python, "called_elsewhere:add", 1, 2)


def _made_by_a_task(home: Path) -> str:
    """An interpreter in a folder as the cache of environments makes them; it has no library."""
    run_command([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    (home / "versions.txt").write_text("pandas==2.3.3\n")
    return f"{home}/bin/python"


def test_a_damaged_environment_that_a_task_made_is_to_be_removed(tmp_path: Path) -> None:
    python = _made_by_a_task(tmp_path / "kept")
    with pytest.raises(EngineError, match=rf"lacks .*The next task .* if you remove it: rm -r {tmp_path}/kept$"):
        call(python, "called_elsewhere:add", 1, 2)


def test_a_module_that_is_missing_in_an_environment_that_a_task_made_is_to_be_listed(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "versions.txt").touch()
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    message = f"that_nobody_has'. Add it to environment=; if it is there, .* is damaged. .*rm -r {tmp_path}$"
    with pytest.raises(EngineError, match=message):
        call(str(python), "called_elsewhere:needs_a_module")


@pytest.mark.parametrize("name", CRASHES)
def test_a_crash_in_an_environment_that_a_task_made_says_how_to_have_it_made_again(tmp_path: Path, name: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "versions.txt").touch()
    python = tmp_path / "bin" / "python"
    python.write_text(f"#!/bin/sh\nkill -{name.removeprefix('SIG')} $$\n")
    python.chmod(0o755)
    with pytest.raises(WorkerLostError, match=rf"ended by {name}.*makes the environment again.*rm -r {tmp_path}$"):
        call(str(python), "called_elsewhere:add", 1, 2)


def test_the_other_process_ends_with_the_task_however_that_ends(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = (
        "import sys; from airflow_batchscore.engine.environments.calls import call\n"
        "call(sys.executable, 'called_elsewhere:wait', sys.argv[1])"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    task = start_command([sys.executable, "-c", code, str(mark)], env=environment)
    wait_for(lambda: mark.exists() and mark.read_text(), 60)
    there = int(mark.read_text())
    os.kill(task.pid, signal.SIGKILL)
    task.wait()
    wait_for(lambda: not alive(there), 60)


def test_the_users_modules_are_found_there_and_the_tasks_libraries_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("/usr/local/airflow/dags")
    paths = own_paths()
    assert "/usr/local/airflow/dags" in paths
    assert not [path for path in paths if "site-packages" in path or path.endswith(".zip") or not os.path.isabs(path)]
    assert os.path.dirname(os.__file__) not in paths
