"""Boosted trees in their libraries' own formats, which hold numbers and no code."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class XGBoost(Flavor):
    """Estimators of ``xgboost`` and ``xgboost.dask`` as UBJSON. They come back as ``xgboost``'s own."""

    name = "xgboost"
    suffix = "ubj"
    libraries = ("xgboost", "xgboost-cpu")
    runs_code = False

    def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
        xgboost = need("xgboost", "the xgboost flavour", "xgboost")
        if not isinstance(estimator, xgboost.XGBModel):
            raise ModelError(
                f"{type(estimator).__name__} is no estimator of XGBoost; save a pipeline that holds one with joblib"
            )
        with tempfile.TemporaryDirectory(prefix="batchscore-") as folder:
            path = Path(folder) / "model.ubj"
            estimator.save_model(path)
            return path.read_bytes()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        xgboost = need("xgboost", "the xgboost flavour", "xgboost")
        booster = xgboost.Booster()
        booster.load_model(bytearray(data))
        kept = json.loads(booster.attr("scikit_learn") or "{}")
        kinds = {"classifier": xgboost.XGBClassifier, "ranker": xgboost.XGBRanker}
        estimator = kinds.get(kept.get("_estimator_type"), xgboost.XGBRegressor)()
        estimator.load_model(bytearray(data))
        return estimator


class LightGBM(Flavor):
    """Estimators of ``lightgbm`` as the library's text, with the classes that the text does not hold."""

    name = "lightgbm"
    suffix = "lightgbm.json"
    libraries = ("lightgbm",)
    runs_code = False

    def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
        lightgbm = need("lightgbm", "the lightgbm flavour", "lightgbm")
        if not isinstance(estimator, lightgbm.LGBMModel):
            raise ModelError(
                f"{type(estimator).__name__} is no estimator of LightGBM; save a pipeline that holds one with joblib"
            )
        classes = getattr(estimator, "classes_", None)
        text = estimator.booster_.model_to_string(num_iteration=estimator.best_iteration_)
        return json.dumps({"classes": None if classes is None else classes.tolist(), "model": text}).encode()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        lightgbm = need("lightgbm", "the lightgbm flavour", "lightgbm")
        kept = json.loads(data)
        booster = lightgbm.Booster(model_str=kept["model"])
        return _Values(booster) if kept["classes"] is None else _Classes(booster, kept["classes"])


class _Values:
    """A regressor or ranker."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        found: np.ndarray = self._booster.predict(features, num_threads=1)
        return found


class _Classes(_Values):
    """A classifier, as ``LGBMClassifier`` answers."""

    def __init__(self, booster: Any, classes: Sequence[Any]) -> None:
        import numpy as np

        super().__init__(booster)
        self.classes_ = np.array(classes)

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        import numpy as np

        found = super().predict(features)
        return found if found.ndim == 2 else np.column_stack([1.0 - found, found])

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        classes: np.ndarray = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return classes
