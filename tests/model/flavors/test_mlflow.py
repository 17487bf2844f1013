"""MLflow's models: a folder as one archive, and models of its registry."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from support import Small, good_rows, scores, small

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.mlflow import MLflow, pack
from airflow_batchscore.training.imported import import_model
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

FEATURES = ["a", "b"]


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(60, 1000))
    return made


def _rows(data: Small, partition: int) -> pd.DataFrame:
    return pd.read_csv(data.folder / f"part_{partition}.csv")


def _take(data: Small, source: str) -> TrainedModel:
    found = import_model(source)
    return train(TrainingJob(data.dataset, [0], data.recipe, found, f"{data.folder}/taken"))


def _check(data: Small, trained: TrainedModel, expected: Any) -> None:
    ((manifest, _),) = replace(data, model=trained.ref).score(1)
    np.testing.assert_allclose(scores(manifest)["prediction"], np.asarray(expected), rtol=1e-6)


@pytest.mark.unit
def test_folders_of_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    """A version is named by them."""
    packed = []
    for number, name in enumerate(("one", "other")):
        folder = tmp_path / name
        for path in (("b/model.pkl", "a"), ("MLmodel", "x: 1"))[:: 1 if number else -1]:
            (folder / path[0]).parent.mkdir(parents=True, exist_ok=True)
            (folder / path[0]).write_text(path[1])
            os.utime(folder / path[0], (number, number))
            (folder / path[0]).chmod(0o600 if number else 0o644)
        (folder / "empty").mkdir()
        packed.append(pack(folder))
    assert packed[0] == packed[1]
    with tarfile.open(fileobj=io.BytesIO(packed[0])) as archive:
        assert archive.getnames() == ["MLmodel", "b/model.pkl"]
        member = archive.extractfile("b/model.pkl")
        assert member is not None
        assert member.read() == b"a"
    (tmp_path / "other" / "b" / "model.pkl").write_text("b")
    assert pack(tmp_path / "other") != packed[0]


@pytest.mark.unit
def test_the_environment_that_a_model_was_trained_in_is_read_from_its_folder(tmp_path: Path) -> None:
    """Without MLflow."""
    (tmp_path / "MLmodel").write_text("x: 1")
    assert MLflow().trained_with(pack(tmp_path)) is None
    lines = ["# by MLflow", "mlflow==3.1.4", "", "Scikit_Learn[all] == 1.5.2 ; python_version > '3'", "numpy<3"]
    (tmp_path / "requirements.txt").write_text("\n".join(lines))
    (tmp_path / "python_env.yaml").write_text("python: 3.12.4\nbuild_dependencies:\n- pip==24\n")
    found = MLflow().trained_with(pack(tmp_path))
    assert found is not None
    assert found.python == "3.12.4"
    assert list(found.requirements) == [lines[1], *lines[3:]]
    assert found.versions == {"mlflow": "3.1.4", "scikit-learn": "1.5.2"}


@pytest.mark.flavors
def test_a_model_of_an_mlflow_registry_by_its_alias(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    registry = f"sqlite:///{data.folder}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    mlflow.set_tracking_uri(registry)
    mlflow.create_experiment("wta", artifact_location=(data.folder / "artifacts").as_uri())
    mlflow.set_experiment("wta")
    raw = _rows(data, 0)
    model = LogisticRegression().fit(raw[FEATURES].astype(float), raw["label"])
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model, name="model", registered_model_name="wta", serialization_format="cloudpickle", pip_requirements=[]
        )
    mlflow.MlflowClient().set_registered_model_alias("wta", "champion", "1")
    trained = _take(data, "models:/wta@champion")
    assert trained.manifest.flavor == "mlflow"
    _check(data, trained, model.predict(_rows(data, 1)[FEATURES].astype(float)))
    ((manifest, _),) = replace(data, model=trained.ref).score(1, method="predict_proba")
    assert list(manifest.schema) == ["id", "prediction_0", "prediction_1"]
    with pytest.raises(ModelError, match="cannot be read from MLflow .*nobody"):
        import_model("models:/wta@nobody")


@pytest.mark.flavors
def test_a_python_model_of_mlflow_has_its_predict(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    class Sums(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
            return (model_input["a"] + model_input["b"]).to_numpy()

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{data.folder}/mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{data.folder}/mlflow.db")
    mlflow.create_experiment("sums", artifact_location=(data.folder / "artifacts").as_uri())
    mlflow.set_experiment("sums")
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="model", python_model=Sums(), registered_model_name="sums", pip_requirements=[]
        )
    trained = _take(data, f"models:/sums/{logged.registered_model_version}")
    raw = _rows(data, 1)
    _check(data, trained, raw["a"] + raw["b"])
