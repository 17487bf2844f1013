"""Imported models, models by a column, and functions, through the operators."""

from __future__ import annotations

import copy
import hashlib
import os
from pathlib import Path
from typing import Any
from unittest import mock

import joblib
import numpy as np
import pandas as pd
import pytest
from kinds import PARAMS
from sklearn.linear_model import LogisticRegression
from support import good_rows, newest_summary, write_csv

pytestmark = pytest.mark.dag


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for partition in (0, 1, 2):
        rows = [(*row, row[0] % 4) for row in good_rows(240, 1000 * partition)]
        write_csv(tmp_path / f"part_{partition}.csv", rows, header=("id", "a", "b", "label", "sensor_id"))
    raw = pd.read_csv(tmp_path / "part_0.csv")
    joblib.dump(LogisticRegression().fit(raw[["a", "b"]], raw["label"]), tmp_path / "theirs.joblib")
    return tmp_path


def _run(dags: dict[str, Any], dag_id: str, folder: Path, **conf: Any) -> str:
    variables = {"AIRFLOW_VAR_FOLDER": str(folder), "AIRFLOW_VAR_SHA256": conf.pop("sha256", "")}
    with mock.patch.dict(os.environ, variables):
        return str(copy.deepcopy(dags[dag_id]).test(run_conf={**PARAMS, **conf}).state)


def test_a_model_that_somebody_else_trained(airflow_dags: dict[str, Any], folder: Path) -> None:
    digest = hashlib.sha256((folder / "theirs.joblib").read_bytes()).hexdigest()
    assert _run(airflow_dags, "imported_model", folder, sha256=digest) == "success"
    found = pd.read_parquet(folder / "out.parquet")
    assert list(found) == ["p", "id", "label", "likely"]
    raw = pd.concat([pd.read_csv(folder / f"part_{p}.csv") for p in range(3)], ignore_index=True)
    model = joblib.load(folder / "theirs.joblib")
    np.testing.assert_array_equal(found["label"], model.predict(raw[["a", "b"]]))
    np.testing.assert_allclose(found["likely"], model.predict_proba(raw[["a", "b"]])[:, 1])


def test_a_model_for_each_value_of_a_column(airflow_dags: dict[str, Any], folder: Path) -> None:
    assert _run(airflow_dags, "models_by_column", folder) == "success"
    found = pd.read_parquet(folder / "out.parquet")
    assert len(found) == 720
    raw = pd.concat([pd.read_csv(folder / f"part_{p}.csv") for p in range(3)], ignore_index=True)
    train = raw.iloc[:240]
    for sensor in range(4):
        rows = train[train["sensor_id"] == sensor]
        model = LogisticRegression().fit(rows[["a", "b"]], rows["label"])
        mine = raw[raw["sensor_id"] == sensor]
        got = found[found["id"].isin(mine["id"])]["prediction"].to_numpy()
        np.testing.assert_array_equal(got, model.predict(mine[["a", "b"]]))
    assert newest_summary(folder)["model"] is None


def test_a_function_of_the_dag_file(airflow_dags: dict[str, Any], folder: Path) -> None:
    assert _run(airflow_dags, "function_of_the_file", folder) == "success"
    found = pd.read_parquet(folder / "out.parquet")
    raw = pd.concat([pd.read_csv(folder / f"part_{p}.csv") for p in range(3)], ignore_index=True)
    np.testing.assert_allclose(found["a"], raw["a"] / 2)
