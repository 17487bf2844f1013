"""How a stack waits, and what it says when it cannot start: with commands in Airflow's place."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import run_command, start_command
from stack import Stack, StackError
from support import ROOT, wait_for

pytestmark = [pytest.mark.unit, pytest.mark.slow]


def _stack(home: Path, command: str, **options: object) -> Stack:
    return Stack(home, home, command=["sh", "-c", command], **options)  # type: ignore[arg-type]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Stack]:
    stack = _stack(tmp_path, "sleep 1000").start()
    yield stack
    stack.stop(at_once=True)


def test_where_nothing_moves_the_wait_ends_with_the_last_lines_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(StackError) as error, _stack(tmp_path, "echo waits for a lock; sleep 1000", still=3):
        pass
    assert "nothing has moved for 3 s. Airflow starts; not up yet: API server, scheduler" in str(error.value)
    assert str(error.value).endswith(f"The last lines of {tmp_path}/standalone.log:\nwaits for a lock")


def test_what_works_is_waited_for_however_long_it_says_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    busy = f"{sys.executable} -c 'import time\nwhile time.process_time() < 5: pass'; echo done; exit 7"
    with pytest.raises(StackError) as error, _stack(tmp_path, busy, still=1, say=said.append):
        pass
    assert str(error.value).startswith("Airflow ended with status 7. The last lines of")
    assert str(error.value).endswith("\ndone")


def test_a_wait_says_what_it_waits_for(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(StackError), _stack(tmp_path, "sleep 1000", still=12, say=said.append):
        pass
    assert said[0].startswith(
        "Airflow starts; not up yet: API server, scheduler, DAG processor, triggerer (processes: "
    )


def test_a_second_stack_on_a_home_is_refused_until_the_first_has_ended(running: Stack, tmp_path: Path) -> None:
    another = _stack(tmp_path, "sleep 1000")
    with pytest.raises(StackError) as error:
        another.start()
    assert f"process {_own_pid()}, {running.url}. Use that one, or end it first: kill {_own_pid()}" in str(error.value)
    running.stop(at_once=True)
    another.start().stop(at_once=True)


def _own_pid() -> str:
    return Path("/proc/self").resolve().name


def test_the_home_of_a_killed_stack_is_free_once_all_that_it_started_has_ended(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from processes import descendants
from stack import Stack
home = Path({str(tmp_path)!r})
stack = Stack(home, home, command=["sh", "-c", "trap '' TERM; sleep 1000; sleep 1000"]).start()
while len(descendants(stack.process.pid)) < 2:
    pass
print("started", flush=True)
input()
"""
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "PATH": "/usr/bin:/bin"}
    first = start_command([sys.executable, "-c", program], env=environment, stdin=-1, stdout=-1, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "started\n"
    first.kill()
    first.communicate()
    second = _stack(tmp_path, "sleep 1000")
    with pytest.raises(StackError, match=rf"the Airflow of process {first.pid} on .* is just ending: try again"):
        second.start()

    def is_free() -> bool:
        try:
            second.start()
        except StackError:
            return False
        return True

    wait_for(is_free, 60)
    second.stop(at_once=True)


def test_a_port_that_is_taken_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} is taken by another program: take another, as in make up"):
            _stack(tmp_path, "sleep 1000", port=port).start()


def test_an_example_whose_program_is_missing_says_how_to_get_it(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "demo.py", "--dag", "hazard_spark", "--home", tmp_path]
    done = run_command(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("hazard_spark needs Java 17 or newer, for Spark: sudo apt-get install ")
