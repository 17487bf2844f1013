"""Looks at processes that come and go."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from processes import Process

pytestmark = pytest.mark.unit


def test_a_process_that_ends_during_the_look_is_not_busy() -> None:
    for _ in range(300):
        pid = os.posix_spawn("/bin/true", ["true"], {})
        ended = threading.Thread(target=os.waitpid, args=(pid, 0))
        ended.start()
        while Path(f"/proc/{pid}").exists():
            assert isinstance(Process(pid, os.getpid(), "R").busy, bool)  # no exception
        ended.join()
        assert not Process(pid, os.getpid(), "R").busy
