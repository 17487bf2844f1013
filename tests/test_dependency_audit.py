"""`make audit` says what it found, and never that all is well when it could not look."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT

pytestmark = pytest.mark.unit

GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "unknown", "version": "1", "skip_reason": "not on PyPI"}


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (
            json.dumps({"dependencies": [GOOD, UNKNOWN]}),
            0,
            ["not in the database: unknown", "1 packages audited, 0 known"],
        ),
        (json.dumps({"dependencies": [GOOD, BAD]}), 1, ["bad 2: CVE-1, fixed in 3", "2 packages audited, 1 known"]),
        (json.dumps({"dependencies": [UNKNOWN]}), 0, ["NOTHING WAS AUDITED"]),
        ("no route to host", 0, ["NOTHING WAS AUDITED"]),
    ],
)
def test_findings_fail_and_a_database_out_of_reach_is_said(
    tmp_path: Path, answer: str, status: int, said: list[str]
) -> None:
    program = tmp_path / "pip-audit"  # has no database to ask here
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    program.chmod(0o755)
    script = ROOT / "scripts" / "audit.py"
    command = [sys.executable, str(script), str(program), "x.lock"]
    done = run_command(command, capture_output=True, text=True, check=False)
    assert done.returncode == status
    for text in said:
        assert text in done.stdout
