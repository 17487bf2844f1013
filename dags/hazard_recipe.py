"""Property hazards: data shaped like Liberty Mutual's property inspections, and two models for it.

Imported by workers, so it imports no Airflow.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

FEATURES = [f"T1_V{n}" for n in range(1, 18)] + [f"T2_V{n}" for n in range(1, 16)]
LETTERS = [f"T1_V{n}" for n in (4, 5, 6, 7, 8, 9, 11, 12, 15, 16)] + [f"T2_V{n}" for n in (3, 5, 11, 12, 13)]
PARTS = 10


def make_data(folder: str, rows: int = 50_000) -> str:
    """``properties_<part>.csv`` in ten parts: the file that ``LIBERTY_MUTUAL_CSV`` names, else made with a fixed seed.

    Existing files are left alone. Returns one line that describes the data.
    """
    named = os.environ.get("LIBERTY_MUTUAL_CSV")
    data = pd.read_csv(named) if named else None
    Path(folder).mkdir(parents=True, exist_ok=True)
    for part in range(PARTS):
        path = Path(folder, f"properties_{part}.csv")
        if not path.exists():
            data = synthetic(rows) if data is None else data
            data[data["Id"] % PARTS == part].to_csv(path.with_suffix(".tmp"), index=False)
            path.with_suffix(".tmp").replace(path)
    return f"Liberty Mutual's inspections of {named}" if named else f"SYNTHETIC properties, {rows:,} rows, a fixed seed"


def synthetic(rows: int) -> pd.DataFrame:
    """`Id`, `Hazard` and 32 features, 15 of them letters; steps and products that a linear model cannot fit."""
    chance = np.random.default_rng(2015)
    data: dict[str, Any] = {"Id": np.arange(1, rows + 1)}
    codes: dict[str, Any] = {}
    for name in FEATURES:
        kinds = int(chance.integers(2, 9)) if name in LETTERS else int(chance.integers(10, 40))
        codes[name] = chance.integers(0, kinds, rows)
        data[name] = np.array(list("ABCDEFGHIJ"))[codes[name]] if name in LETTERS else codes[name]
    rate = (
        1.0
        + 2.5 * (codes["T1_V1"] > 8) * (codes["T2_V1"] > 6)
        + 2.0 * (codes["T1_V4"] % 2) * (codes["T1_V8"] % 2)
        + 1.5 * (np.abs(codes["T1_V2"] - codes["T1_V2"].max() / 2) < 3)
        + 0.04 * codes["T2_V2"]
    )
    hazard = 1 + chance.poisson(rate)
    frame = pd.DataFrame(data)
    frame.insert(1, "Hazard", hazard)
    return frame


def _letters() -> Any:
    return make_column_selector(dtype_exclude="number")


def linear() -> Any:
    """The baseline: one-hot encoded letters, unseen ones as all zeros, and a linear model."""
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), _letters()), remainder="passthrough", verbose_feature_names_out=False
    )
    return make_pipeline(encoder, LinearRegression())


class EarlyStopped(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """XGBoost on letters as ordinals (unseen ones are -1); stops when held-out rows no longer improve.

    Args:
        share: of the training rows that are held out for early stopping.
        rounds: without improvement until it stops.
    """

    def __init__(self, share: float = 0.15, rounds: int = 20, learning_rate: float = 0.1, max_depth: int = 5) -> None:
        self.share = share
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.max_depth = max_depth

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Self:  # noqa: N803
        from xgboost import XGBRegressor

        rows, held_out, labels, held_out_labels = train_test_split(X, y, test_size=self.share, random_state=0)
        ordinals = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        self.encoder_ = make_column_transformer((ordinals, _letters()), remainder="passthrough").fit(rows)
        self.model_ = XGBRegressor(
            n_estimators=2000,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            early_stopping_rounds=self.rounds,
            n_jobs=2,
            random_state=0,
        )
        watched = [(self.encoder_.transform(held_out), held_out_labels)]
        self.model_.fit(self.encoder_.transform(rows), labels, eval_set=watched, verbose=False)
        self.model_.set_params(n_jobs=1)  # blocks are scored one per core
        return self

    def predict(self, X: pd.DataFrame) -> Any:  # noqa: N803
        return self.model_.predict(self.encoder_.transform(X))
