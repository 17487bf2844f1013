"""Models from an MLflow registry or run: the model's folder as one archive, loaded through MLflow."""

from __future__ import annotations

import io
import tarfile
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need

if TYPE_CHECKING:
    import pandas as pd


class MLflow(Flavor):
    """A folder with an ``MLmodel`` file. It may contain a pickle: trusted bytes only.

    A scikit-learn model keeps its own methods; any other has MLflow's pyfunc `predict`.
    """

    name = "mlflow"
    suffix = "mlflow.tar"
    libraries = ("mlflow-skinny", "mlflow")
    names_classes = False  # the folder holds the code
    exact = True

    def dump(self, estimator: object, features: pd.DataFrame) -> bytes:
        mlflow = need("mlflow", "the mlflow flavour", "mlflow")
        with tempfile.TemporaryDirectory(prefix="batchscore-") as folder:
            try:
                mlflow.sklearn.save_model(estimator, f"{folder}/model", serialization_format="cloudpickle")
            except Exception as error:
                raise ModelError(f"{type(estimator).__name__} cannot be saved by MLflow: {error}") from error
            return pack(Path(folder, "model"))

    def load(self, data: bytes, trusted_types: Sequence[str]) -> object:
        mlflow = need("mlflow", "the mlflow flavour", "mlflow")
        # Some models read files when they predict, so the folder lives as long as the model.
        folder = tempfile.TemporaryDirectory(prefix="batchscore-")
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            archive.extractall(folder.name, filter="data")
        flavors = mlflow.models.Model.load(folder.name).flavors
        if "sklearn" in flavors:
            model = mlflow.sklearn.load_model(folder.name)
        else:
            model = _Pyfunc(mlflow.pyfunc.load_model(folder.name))
        weakref.finalize(model, folder.cleanup)
        return model


class _Pyfunc:
    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, features: pd.DataFrame) -> Any:
        return self._model.predict(features)


def download(source: str) -> bytes:
    """Download the archive of ``models:/name@alias``, ``models:/name/3`` or ``runs:/...`` from the registry in MLflow's
    own settings (``MLFLOW_TRACKING_URI``).

    Raises:
        ModelError: MLflow does not provide it.
    """
    mlflow = need("mlflow", source, "mlflow")
    with tempfile.TemporaryDirectory(prefix="batchscore-") as folder:
        try:
            path = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder)
        except Exception as error:  # errors of MLflow and of its store's client
            raise ModelError(
                f"{source} cannot be read from MLflow ({mlflow.get_registry_uri()}): {error}. Check the name, the "
                "alias and MLFLOW_TRACKING_URI"
            ) from error
        return pack(Path(path))


def pack(folder: Path) -> bytes:
    """Pack the files of a folder into a tar archive: identical bytes for identical content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            with open(path, "rb") as source:
                archive.addfile(entry, source)
    return buffer.getvalue()
