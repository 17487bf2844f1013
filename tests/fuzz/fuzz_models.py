"""Models, some of which misbehave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor


class Mutating(ClassifierMixin, BaseEstimator):
    """Writes into what it is given."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        self.tree_ = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, y)
        self.classes_ = self.tree_.classes_
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        found = self.tree_.predict(X)
        try:
            X[X.columns[0]] = 0.0
        except AttributeError:
            X[:] = 0.0
        return found


class Choosy(RegressorMixin, BaseEstimator):
    """Raises for a batch whose last column goes above what the training rows had."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        self.limit_ = float(np.nanmax(np.asarray(X, dtype=float)[:, -1]))
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        last = np.asarray(X, dtype=float)[:, -1]
        if (last > self.limit_).any():
            raise ValueError("too much")
        return np.nan_to_num(last) / (abs(self.limit_) + 1)


class Objects(ClassifierMixin, BaseEstimator):
    """Text, and None where the first column is above a limit that no training row reaches."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        self.classes_ = np.array(["high", "low"], dtype=object)
        self.limit_ = float(np.nanmax(np.asarray(X, dtype=float)[:, 0]))
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        first = np.asarray(X, dtype=float)[:, 0]
        found = np.where(first > 0, "high", "low").astype(object)
        found[first > self.limit_] = None
        return found


class NotANumber(RegressorMixin, BaseEstimator):
    """NaN where the first column is above a limit that no training row reaches."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        self.limit_ = float(np.nanmax(np.asarray(X, dtype=float)[:, 0]))
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        first = np.asarray(X, dtype=float)[:, 0]
        return np.where(first > self.limit_, np.nan, np.nan_to_num(first))


def tree() -> Any:
    return DecisionTreeClassifier(max_depth=4, random_state=0)


def logistic() -> Any:
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=200))


def imputed_text() -> Any:
    """As in a notebook: text with missing values, imputed and encoded."""
    text = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = make_column_transformer(
        (text, make_column_selector(dtype_include=[object, "string"])),
        (SimpleImputer(), make_column_selector(dtype_include=["number", "bool"])),
        sparse_threshold=0,
    )
    return make_pipeline(columns, DecisionTreeClassifier(max_depth=4, random_state=0))


def constant_text() -> Any:
    """Missing text as a value of its own."""
    text = make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore"))
    columns = make_column_transformer((text, ["t"]), (SimpleImputer(), ["x", "y"]), sparse_threshold=0)
    return make_pipeline(columns, DecisionTreeClassifier(max_depth=4, random_state=0))


def regression() -> Any:
    return DecisionTreeRegressor(max_depth=5, random_state=0)


def ridge() -> Any:
    return make_pipeline(SimpleImputer(), StandardScaler(), Ridge())


def pairs() -> Any:
    return make_pipeline(SimpleImputer(), StandardScaler(), SVC(decision_function_shape="ovo", random_state=0))


#: Name -> (factory, methods that it may be asked for).
MODELS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "tree": (tree, ("predict", "predict_proba", "predict, predict_proba")),
    "logistic": (logistic, ("predict", "predict_proba", "decision_function")),
    "imputed_text": (imputed_text, ("predict", "predict_proba")),
    "constant_text": (constant_text, ("predict",)),
    "regression": (regression, ("predict",)),
    "ridge": (ridge, ("predict",)),
    "pairs": (pairs, ("predict", "decision_function")),
    "mutating": (Mutating, ("predict",)),
    "choosy": (Choosy, ("predict",)),
    "objects": (Objects, ("predict",)),
    "nan": (NotANumber, ("predict",)),
}
