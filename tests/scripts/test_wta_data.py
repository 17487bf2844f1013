from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commands import start_command
from support import ROOT
from wta_data import YEARS

pytestmark = pytest.mark.unit


def test_two_that_make_the_matches_at_once_both_have_them(tmp_path: Path) -> None:
    code = f"from pathlib import Path; import wta_data; wta_data.make_matches(Path({str(tmp_path)!r}))"
    environment = {"PYTHONPATH": str(ROOT / "scripts")}
    both = [start_command([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"wta_matches_{year}.csv" for year in YEARS]
