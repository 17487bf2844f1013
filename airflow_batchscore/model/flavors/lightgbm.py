"""LightGBM's estimators in the library's own format, which contains numbers and no code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need, tags

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.utils import Tags

#: Parameters that the estimator overrides when it predicts.
_LEFT_OUT = {
    *("data", "raw_score", "is_predict_raw_score", "predict_rawscore", "predict_raw_score"),
    *("predict_leaf_index", "leaf_index", "is_predict_leaf_index", "predict_leaf"),
    *("predict_contrib", "contrib", "is_predict_contrib", "start_iteration_predict", "num_iteration_predict"),
    *("num_threads", "num_thread", "nthread", "nthreads", "n_jobs"),
}


#: How the library's own file begins, and its line that says what the model is for.
_OWN_FILE = b"tree\n"
_OBJECTIVE = re.compile(rb"^objective=(\w+)", re.MULTILINE)
_OF_CLASSIFIERS = {b"binary", b"multiclass", b"multiclassova"}


class LightGBM(Flavor):
    """Estimators of ``lightgbm`` in the library's text format, with the classes, which that format lacks.

    The text alone, as ``Booster.save_model`` writes it, can be loaded too: the classes are then 0, 1, 2 ...
    """

    name = "lightgbm"
    suffix = "lightgbm.json"
    libraries = ("lightgbm",)
    estimators = ("lightgbm",)
    runs_code = False
    names_classes = False
    exact = True

    def dump(self, estimator: object, features: pd.DataFrame) -> bytes:
        lightgbm = need("lightgbm", "the lightgbm flavour", "lightgbm")
        if not isinstance(estimator, lightgbm.LGBMModel):
            raise ModelError(
                f"{type(estimator).__name__} is no estimator of LightGBM; save a pipeline that holds one with joblib"
            )
        classes = getattr(estimator, "classes_", None)
        text = estimator.booster_.model_to_string(num_iteration=estimator.best_iteration_)
        declared = type(estimator)().get_params()
        others = {
            name: value
            for name, value in estimator.get_params().items()
            if name not in declared and name not in _LEFT_OUT
        }
        kept = {"classes": None if classes is None else classes.tolist(), "model": text, "parameters": others}
        try:
            return json.dumps(kept).encode()
        except TypeError as error:
            raise ModelError(
                f"{type(estimator).__name__} has classes or parameters that its text cannot hold ({error}): use "
                "flavor='joblib'"
            ) from error

    def load(self, data: bytes, trusted_types: Sequence[str]) -> object:
        lightgbm = need("lightgbm", "the lightgbm flavour", "lightgbm")
        if data.startswith(_OWN_FILE):
            return _from_own_file(lightgbm.Booster(model_str=data.decode()), data)
        try:
            kept = json.loads(data)
        except ValueError as error:
            raise ValueError(
                "neither what this flavour writes nor the text of LightGBM's Booster.save_model"
            ) from error
        booster = lightgbm.Booster(model_str=kept["model"])
        if kept["classes"] is None:
            return LGBMRegressor(booster, kept["parameters"])
        return LGBMClassifier(booster, kept["parameters"], kept["classes"])


def _from_own_file(booster: Any, data: bytes) -> LGBMRegressor:
    objective = _OBJECTIVE.search(data)
    if objective and objective[1] in _OF_CLASSIFIERS:
        classes = range(max(2, booster.num_model_per_iteration()))
        estimator: LGBMRegressor = LGBMClassifier(booster, {}, list(classes))
    else:
        estimator = LGBMRegressor(booster, {})
    estimator.feature_names_in_ = booster.feature_name()
    return estimator


class LGBMRegressor:
    """A regressor or ranker. Messages name the class, so it is called as the library's is.

    Attributes:
        feature_names_in_: only if it was trained elsewhere; its columns may then come in another order.
    """

    feature_names_in_: Sequence[str]

    _kind = "regressor"

    def __init__(self, booster: Any, parameters: Mapping[str, object]) -> None:
        self.booster, self.parameters = booster, parameters

    def __sklearn_tags__(self) -> Tags:
        return tags(self._kind)

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        values: np.ndarray = self.booster.predict(features, num_threads=1, **self.parameters)
        return values


class LGBMClassifier(LGBMRegressor):
    """A classifier that behaves like ``LGBMClassifier``."""

    _kind = "classifier"

    def __init__(self, booster: Any, parameters: Mapping[str, object], classes: Sequence[object]) -> None:
        import numpy as np

        super().__init__(booster, parameters)
        self.classes_ = np.array(classes)

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        import numpy as np

        values = super().predict(features)
        return values if values.ndim == 2 else np.column_stack([1.0 - values, values])

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        classes: np.ndarray = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return classes
