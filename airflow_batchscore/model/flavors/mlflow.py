"""Models from an MLflow registry or run: the model's folder as one archive, loaded through MLflow."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, TrainedWith, need

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

    def trained_with(self, data: bytes) -> TrainedWith | None:
        """From ``requirements.txt`` and ``python_env.yaml``, which MLflow writes beside every model."""
        listed, described = _text(data, "requirements.txt"), _text(data, "python_env.yaml")
        python = re.search(r"^python:\s*['\"]?([\d.]+)", described or "", re.MULTILINE)
        lines = [line.strip() for line in (listed or "").splitlines()]
        if python is None and not any(lines):
            return None
        return TrainedWith(python and python[1], [line for line in lines if line and not line.startswith("#")])


def _text(data: bytes, name: str) -> str | None:
    """A file of the model's folder; None if there is none."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        entry = next((member for member in archive.getmembers() if member.name == name and member.isfile()), None)
        file = archive.extractfile(entry) if entry else None
        return file.read().decode(errors="replace") if file else None


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
