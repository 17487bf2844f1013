"""Boosted trees in their libraries' own formats, which hold numbers and no code."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need, tags

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


#: Attribute of a booster: parameters that the estimator around it predicts with, and XGBoost does not write down.
_PARAMETERS = "batchscore"
_XGBOOST_KEEPS = ("missing", "enable_categorical", "feature_types")
#: Of LightGBM's, what the estimator predicts with whatever its parameters say.
_LIGHTGBM_LEAVES = {
    *("data", "raw_score", "is_predict_raw_score", "predict_rawscore", "predict_raw_score"),
    *("predict_leaf_index", "leaf_index", "is_predict_leaf_index", "predict_leaf"),
    *("predict_contrib", "contrib", "is_predict_contrib", "start_iteration_predict", "num_iteration_predict"),
    *("num_threads", "num_thread", "nthread", "nthreads", "n_jobs"),
}


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
            parameters, booster = estimator.get_params(), estimator.get_booster()
            booster.set_attr(**{_PARAMETERS: json.dumps({name: parameters.get(name) for name in _XGBOOST_KEEPS})})
            try:
                estimator.save_model(path)
            finally:
                booster.set_attr(**{_PARAMETERS: None})
            return path.read_bytes()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        xgboost = need("xgboost", "the xgboost flavour", "xgboost")
        booster = xgboost.Booster()
        booster.load_model(bytearray(data))
        kept = json.loads(booster.attr("scikit_learn") or "{}")
        kinds = {"classifier": xgboost.XGBClassifier, "ranker": xgboost.XGBRanker}
        written = json.loads(booster.attr(_PARAMETERS) or "{}")  # none in a file of somebody else's
        parameters = {name: written[name] for name in _XGBOOST_KEEPS if name in written}
        estimator = kinds.get(kept.get("_estimator_type"), xgboost.XGBRegressor)(**parameters)
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
        named = type(estimator)().get_params()
        others = {
            name: value
            for name, value in estimator.get_params().items()
            if name not in named and name not in _LIGHTGBM_LEAVES
        }
        kept = {"classes": None if classes is None else classes.tolist(), "model": text, "parameters": others}
        try:
            return json.dumps(kept).encode()
        except TypeError as error:
            raise ModelError(
                f"{type(estimator).__name__} has classes or parameters that its text cannot hold ({error}): use "
                "flavor='joblib'"
            ) from error

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        lightgbm = need("lightgbm", "the lightgbm flavour", "lightgbm")
        kept = json.loads(data)
        booster = lightgbm.Booster(model_str=kept["model"])
        if kept["classes"] is None:
            return _Values(booster, kept["parameters"])
        return _Classes(booster, kept["parameters"], kept["classes"])


class _Values:
    """A regressor or ranker."""

    _kind = "regressor"

    def __init__(self, booster: Any, parameters: Mapping[str, Any]) -> None:
        self._booster, self._parameters = booster, parameters

    def __sklearn_tags__(self) -> Any:
        return tags(self._kind)

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        found: np.ndarray = self._booster.predict(features, num_threads=1, **self._parameters)
        return found


class _Classes(_Values):
    """A classifier, as ``LGBMClassifier`` answers."""

    _kind = "classifier"

    def __init__(self, booster: Any, parameters: Mapping[str, Any], classes: Sequence[Any]) -> None:
        import numpy as np

        super().__init__(booster, parameters)
        self.classes_ = np.array(classes)

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        import numpy as np

        found = super().predict(features)
        return found if found.ndim == 2 else np.column_stack([1.0 - found, found])

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        classes: np.ndarray = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return classes
