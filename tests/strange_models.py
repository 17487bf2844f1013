"""Estimators that misbehave, importable by worker processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


class Strange(BaseEstimator):
    """Is strange only where it scores, so that it can be trained, measured, saved and tried."""

    @property
    def is_loaded(self) -> bool:
        frame = sys._getframe()
        while frame is not None and not frame.f_code.co_filename.endswith("/training/train.py"):
            frame = frame.f_back
        return frame is None


class NanRegressor(RegressorMixin, Strange):
    """Predicts NaN."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.full(len(X), np.nan if self.is_loaded else 0.0)


class Picky(ClassifierMixin, Strange):
    """Refuses a batch that holds the value 13 in its first column."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        values = np.asarray(X)[:, 0]
        if (values == 13).any():
            raise ValueError("thirteen is not a number that I like")
        return (values > 1).astype(int)


class Slow(Picky):
    """Sleeps in every batch; with SLOW_MODEL_KILLS set, kills its own process whenever it predicts.

    Each batch leaves a mark in the folder SLOW_MODEL_MARKS. After `HELD_AFTER` marks it waits while ``<folder>.hold``
    exists, so that a test can do something in the middle of a partition, however busy the machine is.
    """

    HELD_AFTER = 10

    def predict(self, X: Any) -> Any:  # noqa: N803
        if self.is_loaded:
            marks = os.environ.get("SLOW_MODEL_MARKS")
            if marks:
                Path(marks, f"{os.getpid()}-{time.monotonic_ns()}").touch()
                while Path(f"{marks}.hold").exists() and len(os.listdir(marks)) >= self.HELD_AFTER:
                    time.sleep(0.05)
            if os.environ.get("SLOW_MODEL_KILLS"):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(float(os.environ.get("SLOW_MODEL_SECONDS", "0.2")))
        return super().predict(X)


def by_name() -> Any:
    """A pipeline that names the columns it takes."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(make_column_transformer(("passthrough", ["b", "a"])), LogisticRegression())


class Deadly(Picky):
    """Kills the process that predicts a block."""

    def predict(self, X: Any) -> Any:  # noqa: N803
        if self.is_loaded:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict(X)


class Unrepeatable(Picky):
    """Different bytes from each fit, which lasts until two of them have begun."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        self.noise_ = os.urandom(8)
        waiting = Path(os.environ["FIT_TOGETHER"])
        (waiting / str(os.getpid())).touch()
        end = time.monotonic() + 60
        while len(list(waiting.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.005)
        return super().fit(X, y)


def search() -> Any:
    """A search among three models."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    return GridSearchCV(LogisticRegression(), {"C": [0.001, 0.1, 10.0]}, cv=3)


def categories() -> Any:
    """A pipeline that refuses categories it has not seen."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    return make_pipeline(OneHotEncoder(), LogisticRegression())
