"""The flavour of docs/adding/flavor.md is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from support import good_rows, scores, small

from airflow_batchscore.errors import ModelError
from airflow_batchscore.training.imported import import_model
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

FLAVOR = "json_linear:JsonLinear"


def test_a_partition_is_scored_with_the_flavour_of_the_page(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(60, 1000))
    estimator = "sklearn.linear_model:LinearRegression"
    trained = train(TrainingJob(data.dataset, [0], data.recipe, estimator, f"{tmp_path}/json", flavor=FLAVOR))
    assert trained.manifest.flavor == FLAVOR
    assert trained.manifest.code.keys() == {FLAVOR}
    ((manifest, _),) = replace(data, model=trained.ref).score(1)
    raw, rows = pd.read_csv(tmp_path / "part_0.csv"), pd.read_csv(tmp_path / "part_1.csv")
    plain = LinearRegression().fit(raw[["a", "b"]].astype(float), raw["label"])
    np.testing.assert_allclose(scores(manifest)["prediction"], plain.predict(rows[["a", "b"]].astype(float)), rtol=1e-6)


def test_its_files_are_imported_without_a_digest(tmp_path: Path) -> None:
    path = tmp_path / "theirs.linear.json"
    path.write_text('{"names": ["a", "b"], "slopes": [2.0, -1.0], "start": 0.5}')
    model = import_model(str(path), flavor_name=FLAVOR)
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 1.0]})
    assert model.estimator.predict(rows).tolist() == [2.5, 3.5]


def test_what_it_cannot_hold_is_refused(tmp_path: Path) -> None:
    data = small(tmp_path)
    job = TrainingJob(data.dataset, [0], data.recipe, "sklearn.linear_model:Ridge", f"{tmp_path}/json", flavor=FLAVOR)
    with pytest.raises(ModelError, match="Ridge is no LinearRegression: use flavor='joblib'"):
        train(job)
