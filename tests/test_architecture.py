"""The house: imports go downward only, worker code is Airflow-free, importing a DAG is cheap."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT

pytestmark = pytest.mark.unit

PACKAGE = ROOT / "airflow_batchscore"
#: From the cellar up; a room may import rooms on lower floors, and its own.
FLOORS = [
    *("errors", "entry_points", "data", "quality", "model", "training", "plan", "engine", "scoring", "spark"),
    *("publish", "connections", "api", "cli", "compat", "links", "preload", "accelerate", "__main__"),
]
TOP = {"notifications", "operators", "sensors", "triggers", "plugin", "provider", "celery_worker"}


def _room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    room = _room(path)
    below = set(FLOORS) | TOP if room in TOP else set(FLOORS[: FLOORS.index(room)]) | {room}
    for name in _imports(path):
        if name.startswith("airflow_batchscore."):
            assert name.split(".")[1] in below, f"{room} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def _loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = run_command([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_worker_code_loads_without_airflow() -> None:
    ground = [
        f"airflow_batchscore.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}"
        for path in MODULES
        if _room(path) in (*FLOORS[:11], "api", "cli") and path.name != "__init__.py"
    ]
    loaded = _loaded_after("\n".join(f"import {module}" for module in ground))
    assert not {name for name in loaded if name == "airflow" or name.startswith("airflow.")}


def test_importing_operators_loads_no_heavy_library() -> None:
    loaded = _loaded_after(
        "from airflow_batchscore import LocalDask, ModelPolicy, PartitionedDataset, Recipe\n"
        "from airflow_batchscore import load, preview, score, train\n"
        "from airflow_batchscore.operators import (CheckModelOperator, CheckScoresOperator, CombineOperator,\n"
        "    EvaluateOperator, ImportModelOperator, PlanPartitionsOperator, ScorePartitionOperator, TrainOperator)\n"
        "from airflow_batchscore.sensors import PartitionSensor\n"
        "Recipe(features='a:b'), ModelPolicy(), PartitionedDataset('/x/{y}.csv'), LocalDask()"
    )
    assert not loaded & {"boto3", "dask", "distributed", "joblib", "numpy", "pandas", "pyarrow", "sklearn"}
