"""A model is also the code of the packages that it is made of: another version of one gives other scores."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT, good_rows, write_csv

pytestmark = pytest.mark.unit

LIBRARY = """
__version__ = "{version}"
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
class Model(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.fitted_ = True
        return self
    def predict(self, X):
        return np.asarray(X, dtype=float)[:, 0] * 0 + {version}
"""
SCRIPT = """
import sys
from pathlib import Path
folder = Path(sys.argv[1])
sys.path[:0] = [str(folder / "site-packages"), {tests!r}]
from support import scores
from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.model.reference import resolve, set_alias
from airflow_batchscore.training.train import TrainingJob, train
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
dataset = PartitionedDataset(f"{{folder}}/part_{{{{p}}}}.csv")
if not (folder / "model").exists():
    recipe = Recipe(target="label", keys=["id"], columns=["a", "b"])
    job = TrainingJob(dataset, [0], recipe, "upgraded_library:Model", f"{{folder}}/model")
    set_alias(job.model_uri, "here", train(job).ref, job.began)
job = ScoringJob(dataset, OneModel(resolve(f"{{folder}}/model@here")), f"{{folder}}/staged", block_rows=50)
((manifest, reused),) = score_partitions(job, [{{"p": "0"}}], LocalDask(workers=1))
print(reused, sorted(set(scores(manifest)["prediction"])))
"""


@pytest.mark.slow
def test_scores_of_another_version_of_an_estimators_package_are_not_used(tmp_path: Path) -> None:
    def run(version: str) -> str:
        packages = tmp_path / "site-packages"
        info = packages / f"upgraded_library-{version}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: upgraded_library\nVersion: {version}\n")
        (info / "RECORD").write_text("upgraded_library.py,,\n")
        (packages / "upgraded_library.py").write_text(LIBRARY.format(version=version))
        script = SCRIPT.format(tests=f"{ROOT}/tests")
        done = run_command(
            [sys.executable, "-c", script, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        for path in info.iterdir():
            path.unlink()
        info.rmdir()
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    write_csv(tmp_path / "part_0.csv", good_rows(200))
    assert run("1.0") == "False [1.0]"
    assert run("1.0") == "True [1.0]"
    assert run("2.0") == "False [2.0]"
