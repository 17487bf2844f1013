"""Where and of what results were measured: the commit, the machine, the versions, and how quiet it was."""

from __future__ import annotations

import datetime
import importlib.util
import os
import platform
import shutil
import subprocess
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

#: Distribution -> module, where the names differ.
MODULES = {"scikit-learn": "sklearn", "scikit-learn-intelex": "daal4py", "xgboost-cpu": "xgboost", "dask-ml": "dask_ml"}
PACKAGES = (
    *(
        "pyarrow",
        "numpy",
        "pandas",
        "scikit-learn",
        "xgboost-cpu",
        "dask",
        "dask-ml",
        "scikit-learn-intelex",
        "treelite",
    ),
    *("polars", "duckdb", "pyspark", "ray"),
)


def facts(clone: Path) -> dict[str, Any]:
    """Commit, date, machine and versions."""
    commit = _git(clone, "rev-parse", "--short=10", "HEAD")
    changed = _git(
        clone, "status", "--porcelain", "--untracked-files=no", "--", "airflow_batchscore", "tests/benchmarks"
    )
    return {
        "commit": commit + (" with uncommitted changes" if changed else ""),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": _machine(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES if importlib.util.find_spec(MODULES.get(name, name))}
        | _daft(clone / ".bench-daft-venv"),
    }


def _daft(environment: Path) -> dict[str, str]:
    """Daft and the pyarrow beside it, which are in an environment of their own."""
    folders = [str(folder) for folder in environment.glob("lib/python*/site-packages")]
    found = {each.name: each.version for each in distributions(path=folders) if each.name in ("daft", "pyarrow")}
    return {"daft": f"{found['daft']} (with pyarrow {found['pyarrow']})"} if "daft" in found else {}


def quiet(patience: Any, tables: list[dict[str, Any]]) -> dict[str, Any]:
    """How much others disturbed, and what was spent on waiting."""
    runs = [run for table in tables for each in table["runs"].values() for run in each]
    return {
        "patience": patience.seconds,
        "used": round(patience.seconds - patience.left, 1),
        "exhausted": patience.left <= 0,
        "repeated": patience.repeated,
        "runs": len(runs),
        "disturbed": sum(run["noisy"] for run in runs),
    }


def _git(clone: Path, *words: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    return subprocess.run([git, *words], cwd=clone, capture_output=True, text=True).stdout.strip()


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
