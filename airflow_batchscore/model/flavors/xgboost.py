"""XGBoost's estimators in the library's own format, which contains numbers and no code."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need

if TYPE_CHECKING:
    import pandas as pd


#: Booster attribute for parameters that the estimator predicts with but XGBoost does not save.
_PARAMETERS = "batchscore"
_KEPT = ("missing", "enable_categorical", "feature_types")


class XGBoost(Flavor):
    """Estimators of ``xgboost`` and ``xgboost.dask`` as UBJSON. They are loaded as estimators of ``xgboost``."""

    name = "xgboost"
    suffix = "ubj"
    libraries = ("xgboost", "xgboost-cpu")
    estimators = ("xgboost",)
    reads = ("ubj",)
    runs_code = False
    names_classes = False
    exact = True

    def dump(self, estimator: object, features: pd.DataFrame) -> bytes:
        xgboost = need("xgboost", "the xgboost flavour", "xgboost")
        if not isinstance(estimator, xgboost.XGBModel):
            raise ModelError(
                f"{type(estimator).__name__} is no estimator of XGBoost; save a pipeline that holds one with joblib"
            )
        with tempfile.TemporaryDirectory(prefix="batchscore-") as folder:
            path = Path(folder) / "model.ubj"
            parameters, booster = estimator.get_params(), estimator.get_booster()
            booster.set_attr(**{_PARAMETERS: json.dumps({name: parameters.get(name) for name in _KEPT})})
            try:
                estimator.save_model(path)
            finally:
                booster.set_attr(**{_PARAMETERS: None})
            return path.read_bytes()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> object:
        xgboost = need("xgboost", "the xgboost flavour", "xgboost")
        booster = xgboost.Booster()
        booster.load_model(bytearray(data))
        kept = json.loads(booster.attr("scikit_learn") or "{}")
        kinds = {"classifier": xgboost.XGBClassifier, "ranker": xgboost.XGBRanker}
        written = json.loads(booster.attr(_PARAMETERS) or "{}")  # absent from files written elsewhere
        parameters = {name: written[name] for name in _KEPT if name in written}
        estimator = kinds.get(kept.get("_estimator_type"), xgboost.XGBRegressor)(**parameters)
        estimator.load_model(bytearray(data))
        return estimator
