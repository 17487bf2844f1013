"""Models of trees of every library, and rows that are hard for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

NAMES = ["a", "b", "c", "d"]


def table(rows: int = 600, *, missing: bool = False, seed: int = 0) -> pd.DataFrame:
    """Normal numbers, whole numbers, numbers with few decimals, and ones of float32."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=rows),
            "b": rng.integers(-3, 4, rows).astype(float),
            "c": rng.normal(size=rows).round(1),
            "d": rng.normal(size=rows).astype(np.float32).astype(float),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.1) if missing else frame


def labels(frame: pd.DataFrame, classes: int = 2) -> Any:
    filled = frame.fillna(0.0)
    value = filled["a"] + filled["b"] * filled["c"] - filled["d"].abs()
    return pd.qcut(value, classes, labels=False).to_numpy()


def values(frame: pd.DataFrame) -> Any:
    filled = frame.fillna(0.0)
    return (100 * filled["a"] + 10 * filled["b"] * filled["c"] + 1000).to_numpy()


def _models() -> dict[str, Callable[[], Any]]:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn import ensemble as sk
    from xgboost import XGBClassifier, XGBRegressor

    few: dict[str, Any] = {"n_estimators": 12, "random_state": 0}
    light: dict[str, Any] = {"n_estimators": 12, "random_state": 0, "verbose": -1, "min_child_samples": 3}
    return {
        "forest": lambda: sk.RandomForestClassifier(**few, max_depth=7),
        "deep forest": lambda: sk.RandomForestClassifier(**few),
        "extra trees": lambda: sk.ExtraTreesClassifier(**few, max_depth=12),
        "forest of values": lambda: sk.RandomForestRegressor(**few),
        "extra trees of values": lambda: sk.ExtraTreesRegressor(**few),
        "gradient boosting": lambda: sk.GradientBoostingClassifier(**few),
        "gradient boosting of values": lambda: sk.GradientBoostingRegressor(**few),
        "histogram boosting": lambda: sk.HistGradientBoostingClassifier(max_iter=12, random_state=0),
        "histogram boosting of values": lambda: sk.HistGradientBoostingRegressor(max_iter=12, random_state=0),
        "poisson": lambda: sk.HistGradientBoostingRegressor(max_iter=12, loss="poisson", random_state=0),
        "xgboost": lambda: XGBClassifier(**few),
        "xgboost of values": lambda: XGBRegressor(**few),
        "xgboost, poisson": lambda: XGBRegressor(**few, objective="count:poisson"),
        "lightgbm": lambda: LGBMClassifier(**light),
        "lightgbm of values": lambda: LGBMRegressor(**light),
    }


MODELS = _models()
MANY_CLASSES = ("gradient boosting", "histogram boosting", "xgboost", "lightgbm")


def fitted(name: str, *, classes: int = 2, missing: bool = False, seed: int = 0) -> tuple[Any, pd.DataFrame]:
    """A model, and the rows that it was fitted on."""
    frame = table(missing=missing, seed=seed)
    model = MODELS[name]()
    target = labels(frame, classes) if hasattr(model, "predict_proba") else values(frame)
    return model.fit(frame, target), frame
