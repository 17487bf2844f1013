"""Models whose libraries cannot live with Airflow, imported and scored by tasks: equal to their own predict."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from airflow.models import Variable
from airflow.sdk.exceptions import AirflowFailException
from old_models import ENVIRONMENTS, OF_2023, forest_of_2023, python_with, require_equal, run
from operator_calls import dag, executed
from support import good_rows, write_csv

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.engine.environments import needs
from airflow_batchscore.model import artifact
from airflow_batchscore.model.reference import resolve
from airflow_batchscore.operators import ImportModelOperator, PlanPartitionsOperator, ScorePartitionOperator

pytestmark = [pytest.mark.environments, pytest.mark.timeout(900)]

MLFLOW = ["mlflow-skinny==3.1.4", "scikit-learn==1.5.2", "sqlalchemy>=2,<2.1", "alembic>=1.13"]
#: A model of scikit-learn, and one of Python code that runs it.
REGISTER = """
import sys, mlflow, pandas as pd
from sklearn.linear_model import LogisticRegression
folder = sys.argv[1]
mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
mlflow.create_experiment("e", artifact_location=f"file://{folder}/artifacts")
mlflow.set_experiment("e")
features = lambda p: pd.read_csv(f"{folder}/part_{p}.csv")[["a", "b"]].astype(float)
model = LogisticRegression().fit(features(0), pd.read_csv(f"{folder}/part_0.csv")["label"])
class Lead(mlflow.pyfunc.PythonModel):
    def __init__(self, inner):
        self.inner = inner
    def predict(self, context, model_input, params=None):
        return self.inner.decision_function(model_input) * 2
with mlflow.start_run():
    mlflow.sklearn.log_model(model, name="plain", registered_model_name="plain", input_example=features(0)[:3])
    mlflow.pyfunc.log_model(python_model=Lead(model), name="lead", registered_model_name="lead",
                            pip_requirements=["scikit-learn==1.5.2", "numpy<3"])
for name in ("plain", "lead"):
    mlflow.MlflowClient().set_registered_model_alias(name, "champion", "1")
own = features(1)
expected = pd.DataFrame({"plain": model.predict_proba(own)[:, 1], "lead": model.decision_function(own) * 2})
expected.to_parquet(f"{folder}/expected.parquet")
"""

#: A pipeline of numbers and text as most are, which fails with pandas 3.
IMPUTED = """
import sys, joblib, pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
folder = sys.argv[1]
rows = lambda p: pd.read_csv(f"{folder}/part_{p}.csv")
kinds = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
model = make_pipeline(make_column_transformer((SimpleImputer(), ["a"]), (kinds, ["kind"])), LogisticRegression())
model.fit(rows(0)[["a", "kind"]], rows(0)["label"])
joblib.dump(model, f"{folder}/theirs.joblib", compress=3)
expected = pd.DataFrame({"id": rows(1)["id"], "prediction_1": model.predict_proba(rows(1)[["a", "kind"]])[:, 1]})
expected.to_parquet(f"{folder}/expected.parquet")
print(pd.__version__)
"""


@pytest.fixture(autouse=True)
def kept_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENTS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("registry")
    write_csv(folder / "part_0.csv", good_rows(300))
    write_csv(folder / "part_1.csv", good_rows(400, 1000))
    run(python_with(MLFLOW), REGISTER, folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        yield folder


def _dataset(folder: Path) -> PartitionedDataset:
    return PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options={"column_types": {"id": "int64"}})


def _imported(folder: Path, name: str, **options: Any) -> Any:
    with dag():
        take = ImportModelOperator(
            task_id="take",
            source=f"models:/{name}@champion",
            dataset=_dataset(folder),
            partitions=[0],
            recipe=Recipe(target="label" if name == "plain" else None, keys=["id"], columns=["a", "b"]),
            model_uri=f"{folder}/taken_{name}",
            alias="champion",
            **options,
        )
    return executed(take)


def _scored(folder: Path, name: str, engine: LocalDask, **options: Any) -> pd.DataFrame:
    with dag():
        plan = PlanPartitionsOperator(
            task_id="plan", dataset=_dataset(folder), partitions=[1], model=f"{folder}/taken_{name}@champion"
        )
    (entry,) = executed(plan)
    with dag():
        score = ScorePartitionOperator(
            task_id="score",
            dataset=_dataset(folder),
            partition=entry,
            output_uri=f"{folder}/staged_{name}",
            block_rows=150,
            engine=engine,
            **options,
        )
    executed(score)
    parts = sorted(folder.glob(f"staged_{name}/p=1/*/part-*.parquet"))
    return pd.concat(map(pd.read_parquet, parts)).sort_values("id", ignore_index=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [("plain", {"method": "predict_proba", "outputs": ["prediction_1"]}), ("lead", {"allow_nan": False})],
)
def test_a_model_of_an_mlflow_registry_is_imported_and_scored_without_mlflow_here(
    registry: Path, name: str, options: dict[str, Any]
) -> None:
    artifact._loaded.clear()
    _imported(registry, name, environment=MLFLOW)
    found = _scored(registry, name, LocalDask(workers=2, environment=MLFLOW), **options)
    expected = pd.read_parquet(registry / "expected.parquet")
    (column,) = set(found.columns) - {"id"}
    # A sum of products can differ in its last bit with the rows that are multiplied together.
    np.testing.assert_allclose(found[column], expected[name], rtol=1e-12)
    assert len(artifact._loaded) == 0
    assert "mlflow" not in sys.modules
    described = json.loads((Path(resolve(f"{registry}/taken_{name}@champion").uri) / "model.json").read_text())
    assert described["trained_with"]["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert "scikit-learn==1.5.2" in described["trained_with"]["requirements"]
    assert described["libraries"]["scikit-learn"] == "1.5.2"


def test_another_environment_than_the_recorded_one_is_another_identity_and_a_warning(
    registry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _imported(registry, "lead", environment=MLFLOW)
    before = set(registry.glob("staged_lead/p=1/*"))
    other = [line.replace("1.5.2", "1.6.1") for line in MLFLOW]
    with caplog.at_level(logging.WARNING):
        _scored(registry, "lead", LocalDask(workers=2, environment=other))
    assert "was trained in an environment with scikit-learn 1.5.2 (here 1.6.1): predictions may differ" in caplog.text
    assert len(set(registry.glob("staged_lead/p=1/*")) - before) == 1


def test_without_an_environment_the_message_names_the_library(registry: Path) -> None:
    with pytest.raises(AirflowFailException, match="needs mlflow, which is not installed here"):
        _imported(registry, "plain")


def test_a_model_of_2023_in_a_dag_with_a_file_of_requirements(airflow_dags: dict[str, Any], tmp_path: Path) -> None:
    Variable.set("theirs", forest_of_2023(tmp_path))
    Variable.set("folder", str(tmp_path))
    assert airflow_dags["other_python"].test(run_conf={"partitions": [1]}).state == "success"
    require_equal(tmp_path)


def test_an_interpreter_that_exists_gives_the_same_scores(tmp_path: Path) -> None:
    digest, python = forest_of_2023(tmp_path), python_with(OF_2023)
    with dag():
        take = ImportModelOperator(
            task_id="take",
            source=f"{tmp_path}/theirs.joblib",
            sha256=digest,
            dataset=_dataset(tmp_path),
            partitions=[0],
            recipe=Recipe(target="label", keys=["id"], columns=["a", "b"]),
            model_uri=f"{tmp_path}/taken_theirs",
            alias="champion",
            python=python,
        )
    executed(take)
    for processes in (False, True):
        engine = LocalDask(workers=2, processes=processes, python=python)
        found = _scored(tmp_path, "theirs", engine, method="predict_proba", outputs=["prediction_1"], force=True)
        expected = pd.read_parquet(tmp_path / "expected.parquet")["prediction_1"]
        assert found.drop_duplicates("id")["prediction_1"].tolist() == expected.tolist()


def _imputed(folder: Path, python: str) -> str:
    """A file of such a pipeline, and what it predicts, both in `folder`; returns pandas' version."""
    for partition in (0, 1):
        rows = pd.DataFrame(good_rows(300, partition * 1000), columns=["id", "a", "b", "label"])
        rows["kind"] = rows["b"].map({0: "x", 1: "y"})  # others are missing
        rows.loc[::7, "a"] = None
        rows.to_csv(folder / f"part_{partition}.csv", index=False)
    return run(python, IMPUTED, folder)


def _imputed_import(folder: Path, **options: Any) -> Any:
    with dag():
        take = ImportModelOperator(
            task_id="take",
            source=f"{folder}/theirs.joblib",
            sha256=hashlib.sha256((folder / "theirs.joblib").read_bytes()).hexdigest(),
            dataset=_dataset(folder),
            partitions=[0],
            recipe=Recipe(target="label", keys=["id"], columns=["a", "kind"]),
            model_uri=f"{folder}/taken_theirs",
            alias="champion",
            **options,
        )
    return executed(take)


def test_a_pin_of_scikit_learn_alone_is_enough_for_a_pipeline_where_the_task_has_newer_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = {"pandas": "3.0.6", "pyarrow": "26.0.1"}
    ours = [line for line in needs.versions_of_task() if line.partition("==")[0] not in newer]
    monkeypatch.setattr(needs, "versions_of_task", lambda: [*ours, *map("==".join, newer.items())])
    environment = ["scikit-learn==1.3.2"]
    assert _imputed(tmp_path, python_with(environment)).startswith("2.")
    _imputed_import(tmp_path, environment=environment)
    engine = LocalDask(workers=2, environment=environment)
    found = _scored(tmp_path, "theirs", engine, method="predict_proba", outputs=["prediction_1"])
    expected = pd.read_parquet(tmp_path / "expected.parquet")["prediction_1"]
    np.testing.assert_allclose(found["prediction_1"], expected, rtol=1e-12)


def test_what_a_model_of_another_scikit_learn_fails_with_names_both_and_the_environment_to_give(tmp_path: Path) -> None:
    import sklearn

    environment = ["scikit-learn==1.3.2"]
    _imputed(tmp_path, python_with(environment))
    named = rf"made with scikit-learn 1.3.2 \(here {sklearn.__version__}\)\. Import it with environment="
    with pytest.raises(AirflowFailException, match=f"object has no attribute '_fill_dtype'. The model was {named}"):
        _imputed_import(tmp_path)
    _imputed_import(tmp_path, environment=environment)
    cure = r"1.3.2 \(here .*Import it with environment=.*give the scoring task the same: LocalDask\(environment="
    with pytest.raises(AirflowFailException, match=f"cannot be loaded: AttributeError: .*{cure}"):
        _scored(tmp_path, "theirs", LocalDask(workers=2), method="predict_proba", outputs=["prediction_1"])
