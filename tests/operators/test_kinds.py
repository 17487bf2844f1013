"""Imported models, models by a column, and functions, through the operators."""

from __future__ import annotations

import copy
import hashlib
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import joblib
import numpy as np
import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowFailException
from kinds import PARAMS
from sklearn.linear_model import LogisticRegression
from support import good_rows, newest_summary, write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.operators import ImportModelOperator

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


def test_a_model_that_somebody_else_trained(
    airflow_dags: dict[str, Any], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _run(airflow_dags, "imported_model", folder, sha256="0" * 64) == "failed"
    assert "it is another file, and was not loaded" in "".join(capfd.readouterr())
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


@pytest.mark.parametrize(
    ("dag_id", "message"),
    [
        ("function_and_model", "function= stands in a model's place: leave model= out of PlanPartitionsOperator"),
        ("neither_function_nor_model", "the plan has no model: give PlanPartitionsOperator.model=...., or Score"),
        ("by_a_column_that_the_plan_does_not_name", "model_by='a': the plan's model needs a field of that name"),
    ],
)
def test_a_plan_and_an_operator_that_do_not_go_together(
    airflow_dags: dict[str, Any], folder: Path, capfd: pytest.CaptureFixture[str], dag_id: str, message: str
) -> None:
    digest = hashlib.sha256((folder / "theirs.joblib").read_bytes()).hexdigest()
    _run(airflow_dags, "imported_model", folder, sha256=digest)
    assert _run(airflow_dags, dag_id, folder) == "failed"
    assert re.search(message, "".join(capfd.readouterr()))


def _made() -> LogisticRegression:
    """Somebody else's model."""
    return LogisticRegression().fit(pd.DataFrame({"a": [0, 1, 2, 3], "b": [1, 0, 1, 0]}), [0, 0, 1, 1])


def test_a_function_is_a_source_where_the_dag_says_so_and_nowhere_else(folder: Path) -> None:
    def taken(given: Any, **params: Any) -> dict[str, Any]:
        operator = ImportModelOperator(
            task_id="take",
            source=given,
            dataset=PartitionedDataset(f"{folder}/part_{{p}}.csv"),
            partitions=[0],
            recipe=Recipe(target="label", keys=["id"], columns=["a", "b"]),
            model_uri=f"{folder}/taken",
        )
        context: Any = {
            "params": params,
            "dag_run": SimpleNamespace(dag_id="d", run_id="r"),
            "ti": SimpleNamespace(map_index=-1),
        }
        operator.render_template_fields(context)
        return operator.execute(context)

    assert taken(_made)["version"] == taken("test_kinds:_made")["version"]
    for source in ("{{ params.source }}", "test_kinds:{{ params.name }}"):
        with pytest.raises(AirflowFailException, match="is the import path of a function, and was not called"):
            taken(source, source="test_kinds:_made", name="_made")
