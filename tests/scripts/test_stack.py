"""How a stack waits, and what it says when it cannot start: with commands in Airflow's place."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import run_command, start_command
from processes import alive, descendants, with_variable
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
    with pytest.raises(StackError) as error, _stack(tmp_path, busy, still=3, say=said.append):
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


#: Leaves its session and its parent, and writes its title over the place of its environment, as Airflow's parts do.
DAEMON = """
import os, setproctitle, time
if not os.fork():
    os.setsid()
    setproctitle.setproctitle("airflow " + "x" * 5000)
    open("daemon", "w").write(str(os.getpid()))
time.sleep(1000)
"""


def _with_daemon(home: Path) -> tuple[Stack, int]:
    stack = _stack(home, f"cd {home}; exec {sys.executable} -c '{DAEMON}'").start()
    wait_for(lambda: (home / "daemon").exists() and (home / "daemon").read_text().isdecimal(), 60)
    return stack, int((home / "daemon").read_text())


def test_what_a_killed_keeper_leaves_behind_has_the_home_until_it_is_ended(tmp_path: Path) -> None:
    stack, daemon = _with_daemon(tmp_path)
    assert stack.process is not None
    stack.process.kill()
    with pytest.raises(StackError, match="Airflow ended with status -9"):
        stack.wait_until_up()
    second = _stack(tmp_path, "sleep 1000")
    with pytest.raises(StackError, match=f"another Airflow runs on {tmp_path}: process {_own_pid()}"):
        second.start()
    stack.stop()
    assert not alive(daemon)
    assert not with_variable("STACK_HOME", str(tmp_path))
    second.start().stop(at_once=True)


STARTS = """
import sys, time
from pathlib import Path
from stack import Stack
home = Path(sys.argv[1])
Stack(home, home, command=["sleep", "1000"]).start()
Path(home, "started").touch()
time.sleep(1000)
"""


def _start_elsewhere(home: Path, closed: str) -> subprocess.Popen[bytes]:
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "PATH": "/usr/bin:/bin"}
    shell = f'exec "$0" -c "$1" "$2" {closed}'
    process = start_command(["sh", "-c", shell, sys.executable, STARTS, home], env=environment)
    wait_for((home / "started").exists, 60)
    return process


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stack_whose_streams_are_closed_has_its_home_to_itself(tmp_path: Path, closed: str) -> None:
    first = _start_elsewhere(tmp_path, closed)
    try:
        with pytest.raises(StackError, match=f"another Airflow runs on {tmp_path}: process {first.pid}"):
            _stack(tmp_path, "sleep 1000").start()
        keeper = next(process.pid for process in descendants(first.pid) if process.parent == first.pid)
        for pid in (first.pid, keeper):  # either may be killed
            assert tmp_path / "running.json" in _open_files(pid)
    finally:
        first.kill()
        first.wait()


def _open_files(pid: int) -> set[Path]:
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in the meantime
            found.add(path.readlink())
    return found


def test_what_outlives_a_killed_stack_and_its_keeper_is_named(tmp_path: Path) -> None:
    first = _start_elsewhere(tmp_path, "")
    wait_for(lambda: len(descendants(first.pid)) == 2, 60)
    keeper, kept = (process.pid for process in descendants(first.pid))
    first.send_signal(signal.SIGSTOP)
    os.kill(kept, signal.SIGSTOP)  # it gets SIGTERM, as Airflow does, and is slow to end
    wait_for(lambda: {process.pid: process.state for process in descendants(first.pid)}[kept] == "T", 60)
    os.kill(keeper, signal.SIGKILL)
    first.kill()
    first.wait()
    wait_for(lambda: not alive(keeper), 60)
    with pytest.raises(StackError, match=rf"was killed, and some of its .* End them first: kill -9 {kept}$"):
        _stack(tmp_path, "sleep 1000").start()
    os.kill(kept, signal.SIGKILL)
    wait_for(lambda: not alive(kept), 60)
    _stack(tmp_path, "sleep 1000").start().stop(at_once=True)


@pytest.mark.parametrize(
    ("named", "past"), [("", "127.0.0.1,localhost"), ("corp", "corp,127.0.0.1,localhost"), ("*", "*")]
)
def test_a_proxy_of_the_environment_is_not_for_airflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, past: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", named)
    health = {part: {"status": "healthy"} for part in ("scheduler", "dag_processor", "triggerer")}
    answers = tmp_path / "api" / "v2" / "monitor"
    answers.mkdir(parents=True)
    (answers / "health").write_text(json.dumps(health))
    stack = _stack(tmp_path, f"exec {sys.executable} -m http.server -b 127.0.0.1 -d {tmp_path} $AIRFLOW__API__PORT")
    with stack:
        assert stack.env["no_proxy"] == stack.env["NO_PROXY"] == past
        assert urllib.request.proxy_bypass_environment("127.0.0.1", {"no": past})  # type: ignore[attr-defined]


def test_an_api_server_that_does_not_answer_is_told_with_its_error(tmp_path: Path) -> None:
    told = r"says no health: .*Connection refused.*The last lines of"
    with pytest.raises(StackError, match=told), _stack(tmp_path, "sleep 1000", still=1):
        pass


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"password": "x"}'])
def test_damaged_secrets_are_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)
    with pytest.raises(StackError, match=rf"{path} is damaged \(.+\): delete it, and the next start makes a new one"):
        _stack(tmp_path, "true")
    path.unlink()
    assert _stack(tmp_path, "true").password


@pytest.mark.parametrize("name", ["a?b", "$HOME", "a%41"])
def test_a_home_that_airflow_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StackError, match=r"Airflow misreads . in a path: the home is .* Take another folder"):
        _stack(tmp_path / name, "true")
    assert not (tmp_path / name).exists()


class WithoutDags(Stack):
    """Its API knows no DAG."""

    def get(self, path: str) -> Any:
        if "importErrors" in path:
            return {"import_errors": []}
        raise StackError(f"GET {path}: 404", 404)


def test_a_dag_that_airflow_cannot_store_is_told_with_the_reason(tmp_path: Path) -> None:
    logged = """
dag-processor | 2026 [error    ] Failed to persist parsing result for a.py in bundle dags-folder; keeping [x] loc=m.py
dag-processor | Traceback (most recent call last):
dag-processor | sqlite3.OperationalError: database or disk is full
api-server | 2026 [info     ] request finished [http.access] status=404
"""
    (tmp_path / "log").write_text(logged)
    command = ["sh", "-c", f"cat {tmp_path}/log; exec sleep 1000"]
    stack = WithoutDags(tmp_path, tmp_path, command=command, still=2).start()
    try:
        with pytest.raises(StackError) as error:
            stack.wait_for_dag("a")
    finally:
        stack.stop(at_once=True)
    told = str(error.value)
    assert "not found yet: a. Airflow cannot store what it read: dag-processor | 2026 [error    ] Failed" in told
    assert "\ndag-processor | sqlite3.OperationalError: database or disk is full. The last lines of" in told
    assert "http.access" not in told


@pytest.mark.parametrize("is_demo", [True, False])
def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path: Path, is_demo: bool) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    demo = [sys.executable, ROOT / "scripts" / "demo.py", "--home", home]
    program = f"import pathlib, sys, up; up.HOME = pathlib.Path({str(home)!r}); sys.exit(up.main())"
    up = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "PATH": "/usr/bin:/bin"}
    done = run_command(demo if is_demo else up, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("failed: [Errno 20] Not a directory: ")
    assert done.stderr.endswith(f"below {home}: it must be a folder you may write to, on a disk with space\n")


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1", "8080.5"])
def test_a_port_that_is_none_is_told(port: str) -> None:
    command = [sys.executable, ROOT / "scripts" / "up.py", "--port", port]
    done = run_command(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{port} is no port: take a number from 1 to 65535, as in make up PORT=9090" in done.stderr
