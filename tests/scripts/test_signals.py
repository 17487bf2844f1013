"""What make started ends with make; what a shell started does not end with the shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from commands import start_command
from processes import alive
from support import ROOT, wait_for

pytestmark = [pytest.mark.unit, pytest.mark.slow]

#: In the place of .venv/bin/python: says which process it is, and that it ended in order.
SCRIPT = f"""#!{sys.executable}
import os, sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT / "scripts")!r})
from signals import exit_on_signals
folder = Path(__file__).parent
exit_on_signals()
(folder / "said").write_text(" ".join([str(os.getpid()), *sys.argv[1:]]))
(folder / "said").rename(folder / "started")
try:
    time.sleep(1000)
finally:
    (folder / "ended").touch()
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "python"
    path.write_text(SCRIPT)
    path.chmod(0o755)
    yield path
    with suppress(OSError):
        os.kill(_started(path)[0], signal.SIGKILL)


def _started(script: Path) -> tuple[int, str]:
    """Its process and its arguments, once its signals are set."""
    wait_for((script.parent / "started").exists, 60)
    pid, _, arguments = (script.parent / "started").read_text().partition(" ")
    return int(pid), arguments


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    ("target", "arguments"), [("up", "scripts/up.py --port 9090"), ("demo", "scripts/demo.py --dag normalise_words")]
)
def test_a_script_ends_in_order_when_its_make_is_ended(
    script: Path, target: str, arguments: str, number: signal.Signals
) -> None:
    options = ["PORT=9090", "DAG=normalise_words", "-o", "setup"]
    make = start_command(["make", "-s", "-C", ROOT, target, f"BIN={script.parent}", *options], stderr=subprocess.PIPE)
    pid, told = _started(script)
    assert told == arguments
    make.send_signal(number)
    wait_for((script.parent / "ended").exists, 60)
    make.communicate()
    wait_for(lambda: not alive(pid), 60)


def test_a_script_outlives_the_shell_that_started_it(script: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MAKELEVEL"}
    shell = start_command(["sh", "-c", f"setsid {script} & read line"], env=environment, stdin=subprocess.PIPE)
    pid, _ = _started(script)
    shell.kill()
    shell.communicate()
    os.kill(pid, 0)
    assert not (script.parent / "ended").exists()
    os.kill(pid, signal.SIGTERM)
    wait_for((script.parent / "ended").exists, 60)
