"""What can be compiled: which estimators' trees are read, and which are left to their library, with the reason."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from compiled_models import fitted, labels, table, values
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from xgboost import XGBClassifier, XGBRanker

from airflow_batchscore.model.compiled.ensembles import NotCompiledError, read_ensemble

pytestmark = pytest.mark.unit

FRAME = table()
LIGHT: dict[str, Any] = {"n_estimators": 3, "verbose": -1, "min_child_samples": 3}


class Forest(RandomForestClassifier):
    """A user's subclass may predict as it likes."""


def categorical() -> pd.DataFrame:
    return FRAME.assign(b=pd.Categorical(FRAME["b"].astype(int) + 3))


REFUSED = {
    "linear": (lambda: LogisticRegression().fit(FRAME, labels(FRAME)), "LogisticRegression is no ensemble of trees"),
    "other trees": (lambda: AdaBoostClassifier().fit(FRAME, labels(FRAME)), "is no ensemble of trees"),
    "subclass": (lambda: Forest(3).fit(FRAME, labels(FRAME)), "Forest is no ensemble of trees that can be compiled"),
    "three classes": (lambda: fitted("forest", classes=3)[0], "a forest of 3 classes"),
    "two targets": (lambda: RandomForestRegressor(3).fit(FRAME, FRAME[["a", "b"]]), "2 targets"),
    "squares": (
        lambda: LGBMRegressor(**LIGHT, reg_sqrt=True).fit(FRAME, values(FRAME)),
        "what becomes of its trees' sums is not covered",
    ),
    "start": (
        lambda: GradientBoostingRegressor(n_estimators=3, init=LinearRegression()).fit(FRAME, values(FRAME)),
        "Custom init estimator not supported",
    ),
    "histogram categories": (
        lambda: HistGradientBoostingClassifier(max_iter=3, categorical_features=["b"]).fit(
            FRAME.assign(b=FRAME["b"] + 3), labels(FRAME)
        ),
        "it encodes categories",
    ),
    "xgboost categories": (
        lambda: XGBClassifier(n_estimators=3, enable_categorical=True).fit(categorical(), labels(FRAME)),
        "it splits on categories",
    ),
    "xgboost missing": (lambda: XGBClassifier(n_estimators=3, missing=-9.0).fit(FRAME, labels(FRAME)), "missing=-9.0"),
    "xgboost dart": (lambda: XGBClassifier(n_estimators=3, booster="dart").fit(FRAME, labels(FRAME)), "only gbtree"),
    "lightgbm categories": (
        lambda: LGBMClassifier(**LIGHT, min_data_per_group=1).fit(categorical(), FRAME["b"].abs() > 1),
        "splits on categories",
    ),
    "lightgbm zeros": (
        lambda: LGBMClassifier(**LIGHT, zero_as_missing=True).fit(FRAME, labels(FRAME)),
        "zero means a missing value",
    ),
    "lightgbm linear": (
        lambda: LGBMRegressor(**LIGHT, linear_tree=True).fit(FRAME, values(FRAME)),
        "its leaves are linear models",
    ),
    "lightgbm that stops": (
        lambda: LGBMClassifier(**LIGHT, pred_early_stop=True).fit(FRAME, labels(FRAME)),
        "pred_early_stop changes how it predicts",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compiled_is_left_to_its_library(name: str) -> None:
    make, why = REFUSED[name]
    model = make()
    with pytest.raises(NotCompiledError, match=why):
        read_ensemble(model)


def test_a_ranker_is_left_to_its_library() -> None:
    ranker = XGBRanker(n_estimators=3).fit(FRAME, labels(FRAME), group=[300, 300])
    with pytest.raises(NotCompiledError, match="XGBRanker is no ensemble"):
        read_ensemble(ranker)


def test_trees_are_read_with_their_thresholds_as_they_are() -> None:
    model = fitted("forest")[0]
    ensemble = read_ensemble(model)
    assert (len(ensemble.trees), ensemble.features, ensemble.averaged, ensemble.link) == (12, 4, True, "identity")
    for tree, own in zip(ensemble.trees, model.estimators_, strict=True):
        inner = tree.feature >= 0
        assert sorted(tree.threshold[inner]) == sorted(own.tree_.threshold[own.tree_.feature >= 0])
        assert sorted(tree.value[~inner]) == sorted(own.tree_.value[own.tree_.feature < 0][:, 0, 1])
