"""What is saved is loaded again and must be the fitted model: what a format leaves out is wrong in every score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from support import scores
from xgboost import XGBClassifier

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.imported_check import check_predictions
from airflow_batchscore.training.saved import save_and_load
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit

NAMES = ["a", "b", "c"]


class Clipped(GridSearchCV):
    """Predicts otherwise than the best estimator that it found."""

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.clip(super().predict(X), -0.5, 0.5)


class Forgetful(RegressorMixin, BaseEstimator):
    """Its pickle lacks what it predicts with."""

    def fit(self, X: Any, y: Any) -> Forgetful:  # noqa: N803
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.full(len(X), self.mean_)

    def __getstate__(self) -> dict[str, Any]:
        return {"mean_": 0.0}


class Cautious(XGBClassifier):
    """Predicts the first class only."""

    def predict(self, X: Any, **options: Any) -> Any:  # noqa: N803
        return np.zeros(len(X), dtype=int)


@pytest.fixture
def dataset(tmp_path: Path) -> PartitionedDataset:
    """In the first partition `a` is -999 in some rows and `b` is missing in some."""
    for partition in (0, 1):
        chance = np.random.default_rng(partition)
        frame = pd.DataFrame(chance.normal(size=(300, 3)), columns=NAMES)
        frame["label"] = ((frame["a"] > 0) ^ (frame["c"] > 0.3)).astype(int)
        frame["y"] = frame["a"] * 2 + frame["c"] ** 2 + 1
        frame.loc[chance.random(300) < 0.3, "a"] = -999.0
        frame.loc[chance.random(300) < 0.2, "b"] = np.nan
        frame["id"] = np.arange(300)
        frame.to_parquet(tmp_path / f"p_{partition}.parquet", index=False)
    return PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet")


def _frame(dataset: PartitionedDataset, partition: int) -> pd.DataFrame:
    return pd.read_parquet(dataset.uri.format(p=partition))


def _train(dataset: PartitionedDataset, estimator: Any, target: str = "label", **options: Any) -> TrainedModel:
    columns = options.pop("columns", NAMES)
    recipe = Recipe(target=target, keys=["id"], columns=columns)
    return train(TrainingJob(dataset, [0], recipe, estimator, f"{Path(dataset.uri).parent}/model", **options))


def _score(dataset: PartitionedDataset, trained: TrainedModel, method: str, **options: Any) -> Any:
    spec = OutputSpec.of(method)
    job = ScoringJob(
        dataset, OneModel(trained.ref), f"{Path(dataset.uri).parent}/staged", spec=spec, block_rows=50, **options
    )
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=1))
    return manifest


@pytest.mark.parametrize(
    ("path", "target", "method", "options"),
    [
        ("xgboost:XGBClassifier", "label", "predict_proba", {"missing": -999.0}),
        ("xgboost:XGBRegressor", "y", "predict", {"missing": -999.0}),
        (
            "lightgbm:LGBMClassifier",
            "label",
            "predict_proba",
            {"verbose": -1, "pred_early_stop": True, "pred_early_stop_freq": 2, "pred_early_stop_margin": 0.5},
        ),
    ],
)
def test_what_a_wrapper_predicts_with_is_kept_beside_the_booster(
    dataset: PartitionedDataset, path: str, target: str, method: str, options: dict[str, Any]
) -> None:
    from airflow_batchscore.model.functions import import_path

    made = import_path(path)(n_estimators=20, **options)
    trained = _train(dataset, made, target)
    assert trained.manifest.flavor == path.partition(":")[0]
    before, after = _frame(dataset, 0), _frame(dataset, 1)
    expected = getattr(made.fit(before[NAMES], before[target]), method)(after[NAMES])
    found = scores(_score(dataset, trained, method)).drop(columns="id").to_numpy().squeeze()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression()), "label"),
        (RandomForestClassifier(10, random_state=0), "label"),
        (make_pipeline(SimpleImputer(), KNeighborsRegressor(weights="distance")), "y"),
    ],
)
def test_what_a_converter_makes_something_else_of_is_refused_and_nothing_is_saved(
    dataset: PartitionedDataset, estimator: Any, target: str
) -> None:
    with pytest.raises(ModelError, match=r"is another model when it is loaded from what onnx wrote: predict.* gives"):
        _train(dataset, estimator, target, flavor="onnx")
    assert not (Path(dataset.uri).parent / "model").exists()
    assert _train(dataset, estimator, target).manifest.flavor == "joblib"


def test_a_converted_model_takes_no_missing_value_that_it_was_not_compared_with(dataset: PartitionedDataset) -> None:
    """A forest fitted without missing values answers for them; its graph answers something else."""
    forest = RandomForestClassifier(10, random_state=0)
    whole = PartitionedDataset(f"{Path(dataset.uri).parent}/whole_{{p}}.parquet")
    _frame(dataset, 0).fillna(0.0).to_parquet(whole.uri.format(p=0), index=False)
    _frame(dataset, 1).to_parquet(whole.uri.format(p=1), index=False)
    trained = _train(whole, forest, flavor="onnx")
    manifest = _score(whole, trained, "predict_proba", limit=Limit.of(200))
    missing = int(_frame(whole, 1)["b"].isna().sum())
    assert (manifest.account.rows_quarantined, manifest.account.rows_scored) == (missing, 300 - missing)


def test_what_a_pickle_leaves_out_is_noticed(dataset: PartitionedDataset) -> None:
    with pytest.raises(ModelError, match=r"Forgetful is another model .* joblib wrote: predict gives .*0\.0"):
        _train(dataset, Forgetful(), "y")


def test_metrics_and_columns_are_those_of_the_model_that_will_score(
    dataset: PartitionedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def remembered(estimator: Any, features: Any, labels: Any) -> float:
        seen.append(estimator)
        return 0.5

    fitted = LogisticRegression()
    columns = ["a", "c"]
    trained = _train(dataset, fitted, flavor="onnx", columns=columns, metrics=["accuracy", "roc_auc", remembered])
    assert [type(one).__name__ for one in seen] == ["OnnxClassifier"]
    before = _frame(dataset, 0)
    expected = fitted.fit(before[columns], before["label"]).score(before[columns], before["label"])
    assert trained.manifest.metrics["accuracy"] == pytest.approx(expected)
    assert set(trained.manifest.signature.outputs) == {"predict", "predict_proba"}
    plain = _train(dataset, LinearRegression(), "y", flavor="onnx", columns=columns)
    assert "r2" in plain.manifest.metrics


def test_a_check_is_held_to_what_the_bytes_load_as(dataset: PartitionedDataset) -> None:
    before = _frame(dataset, 0)
    model = Forgetful().fit(before[NAMES], before["y"])
    rows = [{**row, "expected": model.mean_} for row in before[NAMES].head(20).to_dict("records")]
    types = dict.fromkeys(NAMES, "float64")
    recipe = Recipe(keys=["id"], columns=NAMES)
    assert check_predictions(model, recipe, rows, dataset, types) == 20
    with pytest.raises(ModelError, match="Forgetful is another model"):
        check_predictions(model, recipe, rows, dataset, types, flavor("joblib"))


def test_only_the_searches_of_the_libraries_give_way_to_what_they_found(dataset: PartitionedDataset) -> None:
    columns = ["a", "c"]
    before, after = (_frame(dataset, partition) for partition in (0, 1))
    own = _train(dataset, Clipped(Ridge(), {"alpha": [1.0, 10.0]}), "y", columns=columns)
    expected = Clipped(Ridge(), {"alpha": [1.0, 10.0]}).fit(before[columns], before["y"]).predict(after[columns])
    np.testing.assert_allclose(scores(_score(dataset, own, "predict"))["prediction"], expected)
    plain = _train(dataset, GridSearchCV(Ridge(), {"alpha": [1.0, 10.0]}), "y", columns=columns)
    assert type(artifact.load(plain.ref).estimator) is Ridge


def test_a_class_of_ones_own_over_a_library_s_is_pickled_with_its_methods(dataset: PartitionedDataset) -> None:
    trained = _train(dataset, Cautious(n_estimators=5))
    assert trained.manifest.flavor == "joblib"
    assert set(scores(_score(dataset, trained, "predict"))["prediction"]) == {0}
    features = _frame(dataset, 0)[NAMES]
    fitted = Cautious(n_estimators=5).fit(features, _frame(dataset, 0)["label"])
    with pytest.raises(ModelError, match="Cautious is another model when it is loaded from what xgboost wrote"):
        save_and_load(fitted, flavor("xgboost"), features)


def test_classes_that_are_counted_are_not_taken_for_others(
    dataset: PartitionedDataset, caplog: pytest.LogCaptureFixture
) -> None:
    def truth(frame: pd.DataFrame) -> Any:
        return frame["label"] == 1

    recipe = Recipe(target=truth, keys=["id"], columns=NAMES)
    train(TrainingJob(dataset, [0], recipe, XGBClassifier(n_estimators=2), f"{Path(dataset.uri).parent}/model"))
    assert "which no training row has" not in caplog.text
