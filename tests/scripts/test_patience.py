"""A wait ends after so many looks without movement, whatever the clock says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from commands import start_command
from support import ROOT

pytestmark = [pytest.mark.unit, pytest.mark.slow]

WAITS = """
import os
from patience import Patience
patience = Patience(os.getpid(), 3, lambda line: None)
while patience.wait("nothing comes"):
    print("looked", flush=True)
"""


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_wait_that_was_stopped_looks_as_often_as_one_that_was_not(is_stopped: bool) -> None:
    environment = {"PYTHONPATH": str(ROOT / "scripts")}
    waiting = start_command([sys.executable, "-c", WAITS], env=environment, stdout=subprocess.PIPE, text=True)
    assert waiting.stdout is not None
    first = waiting.stdout.readline()
    if is_stopped:
        os.kill(waiting.pid, signal.SIGSTOP)
        time.sleep(4)  # longer than it would wait
        os.kill(waiting.pid, signal.SIGCONT)
    rest, _ = waiting.communicate()
    assert first + rest == "looked\n" * 5
