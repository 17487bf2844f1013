"""Models made by Pythons other than the tests', in environments that are kept in the checkout for the next time."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from commands import run_command
from support import ROOT, good_rows, write_csv

FOLDER = ROOT / ".environments"
ENVIRONMENTS = {"AIRFLOW__BATCHSCORE__ENVIRONMENTS_FOLDER": str(FOLDER)}
OF_2023 = (ROOT / "tests" / "dags" / "of_2023.txt").read_text().splitlines()

FOREST = """
import sys, joblib, pandas as pd, sklearn
from sklearn.ensemble import RandomForestClassifier
folder = sys.argv[1]
features = lambda p: pd.read_csv(f"{folder}/part_{p}.csv")[["a", "b"]].astype(float)
labels = pd.read_csv(f"{folder}/part_0.csv")["label"]
model = RandomForestClassifier(20, max_depth=2, random_state=0).fit(features(0), labels)
joblib.dump(model, f"{folder}/theirs.joblib")
ids = pd.read_csv(f"{folder}/part_1.csv")["id"]
expected = pd.DataFrame({"id": ids, "prediction_1": model.predict_proba(features(1))[:, 1]})
expected.to_parquet(f"{folder}/expected.parquet")
print(sklearn.__version__)
"""


def python_with(lines: Sequence[str]) -> str:
    """The interpreter that a task has with these lines."""
    from airflow_batchscore.engine.environments.cache import interpreter

    assert shutil.which("uv"), "run make test-environments"
    return str(interpreter(lines, FOLDER))


def run(python: str, code: str, *arguments: object) -> str:
    """What a script prints."""
    done = run_command([python, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


def forest_of_2023(folder: Path) -> str:
    """A model's file and what it predicts for partition 1, in `folder`; returns its digest."""
    write_csv(folder / "part_0.csv", good_rows(300))
    write_csv(folder / "part_1.csv", good_rows(400, 1000))
    assert run(python_with(OF_2023), FOREST, folder) == "1.3.2"
    return hashlib.sha256((folder / "theirs.joblib").read_bytes()).hexdigest()


def require_equal(folder: Path) -> None:
    """What was published is what the model itself predicted, to the last bit."""
    found = pd.read_parquet(folder / "out.parquet")[["id", "prediction_1"]]
    expected = pd.read_parquet(folder / "expected.parquet")
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected, check_exact=True)
