"""The demo on a machine that has little time for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import run_command, start_command
from support import ROOT

pytestmark = [pytest.mark.production, pytest.mark.timeout(3600)]


@pytest.fixture
def load() -> Iterator[None]:
    """Twenty processes that want a core each."""
    busy = [start_command([sys.executable, "-c", "while True: pass"]) for _ in range(20)]
    yield
    for process in busy:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("load")
def test_the_demo_succeeds_beside_twenty_busy_processes(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "demo.py", "--dag", "normalise_words", "--home", tmp_path]
    done = run_command(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not up yet" in done.stdout, "it said what it waited for"
