"""The notebooks of docs/notebooks run from first to last cell, as in Jupyter: in `__main__`, beside an event loop."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT

pytestmark = pytest.mark.unit

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))

#: Jupyter runs cells in the namespace of `__main__`, in a thread that runs an event loop. There is no Airflow.
_RUN = """
import asyncio, json, sys
sys.modules["airflow"] = None
async def run_cells(path):
    for cell in json.load(open(path))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), sys.modules["__main__"].__dict__)
asyncio.run(run_cells(sys.argv[1]))
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path: Path, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", _RUN, str(path)]
    done = run_command(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
