from __future__ import annotations

import sys

import pytest
from commands import run_command
from support import ROOT

pytestmark = [pytest.mark.unit, pytest.mark.slow]


def _install(script: str) -> tuple[int, list[str]]:
    command = [sys.executable, ROOT / "scripts" / "installing.py", "sh", "-c", script]
    done = run_command(command, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def test_what_uv_says_is_shown_but_for_the_list_of_packages() -> None:
    said = "echo 'Prepared 2 packages in 1ms' >&2; echo ' + airflow==3.3' >&2; echo 'Installed 2 packages'"
    assert _install(said) == (0, ["  Prepared 2 packages in 1ms", "  Installed 2 packages"])


def test_a_failed_installation_fails() -> None:
    assert _install("echo 'no such package' >&2; exit 3") == (3, ["  no such package"])


def test_a_silent_installation_says_that_it_still_installs() -> None:
    status, said = _install("sleep 16")
    assert status == 0
    assert said
    assert all(line.startswith("  still installing, ") for line in said)
