"""What the methods of real models give, through blocks into Parquet, beside the library's own answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import Small, good_rows, scores, small

from airflow_batchscore.model import artifact
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

FEATURES = ["a", "b"]


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(90, 5000))
    return made


def _model(data: Small, estimator: Any, **recipe: Any) -> Small:
    from airflow_batchscore import Recipe

    made = Recipe(**{"target": "label", "keys": ["id"], "columns": FEATURES, **recipe})
    return replace(data, model=train(TrainingJob(data.dataset, [0], made, estimator, f"{data.folder}/other")).ref)


def _answer(data: Small, method: str) -> Any:
    raw = pd.read_csv(data.folder / "part_1.csv")[FEATURES].astype(float)
    return getattr(artifact.load(data.model).estimator, method)(raw)


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "decision_function", "predict"])
def test_each_method_of_a_classifier_of_three_classes(data: Small, method: str) -> None:
    made = _model(data, "sklearn.linear_model:LogisticRegression", target=lambda rows: rows["b"].astype(int) % 3)
    ((manifest, _),) = made.score(1, method=method, block_rows=40)
    found = scores(manifest).drop(columns="id")
    names = ["prediction"] if method == "predict" else ["prediction_0", "prediction_1", "prediction_2"]
    assert list(found) == names
    assert manifest.schema == {"id": "int64"} | dict.fromkeys(names, "int64" if method == "predict" else "double")
    np.testing.assert_allclose(found.to_numpy().squeeze(), _answer(made, method), rtol=1e-12)


def test_several_methods_in_one_pass_with_new_names_and_a_flag(data: Small) -> None:
    ((manifest, _),) = data.score(
        1,
        method=["predict", "predict_proba", "decision_function"],
        outputs={"predict_proba_1": "probability", "decision_function": "decision_function"},
        flags={"sure": "predict_proba_1>=0.8"},
        block_rows=40,
    )
    found = scores(manifest)
    assert manifest.schema == {"id": "int64", "probability": "double", "decision_function": "double", "sure": "bool"}
    np.testing.assert_allclose(found["probability"], _answer(data, "predict_proba")[:, 1], rtol=1e-12)
    assert found["sure"].tolist() == (found["probability"] >= 0.8).tolist()
    assert 0 < found["sure"].sum() < 90
    assert manifest.method == "predict, predict_proba, decision_function"
    seen = audit([{"p": "1"}], [manifest], Limits(max_drift=100.0))
    assert seen.problems == []
    worst = seen.drift["p=1"].worst
    assert worst is not None
    assert worst[1] > 0


def test_other_outputs_of_the_same_model_are_other_scores(data: Small) -> None:
    kinds: list[dict[str, Any]] = [
        {"method": "predict_proba"},
        {"method": "predict_proba", "outputs": ["prediction_1"]},
        {"method": "predict_proba", "outputs": {"prediction_1": "p"}},
        {"method": "predict_proba", "flags": {"sure": "prediction_1>0.9"}},
        {"method": "predict_proba", "flags": {"sure": "prediction_1>0.8"}},
    ]
    found = [data.score(1, **kind)[0] for kind in kinds]
    assert len({manifest.identity for manifest, _ in found}) == len(kinds)
    assert [reused for _, reused in [data.score(1, **kind)[0] for kind in kinds]] == [True] * len(kinds)


def test_a_transformer_and_an_outlier_detector(data: Small) -> None:
    principal = _model(data, "sklearn.decomposition:PCA")
    ((manifest, _),) = principal.score(1, method="transform", block_rows=40)
    found = scores(manifest)
    assert list(found) == ["id", "prediction_pca0", "prediction_pca1"]
    np.testing.assert_allclose(found.drop(columns="id"), _answer(principal, "transform"), atol=1e-12)
    svm = _model(data, "sklearn.svm:OneClassSVM", target=None)
    ((manifest, _),) = svm.score(1, method="score_samples, decision_function", flags={"odd": "decision_function<0"})
    found = scores(manifest)
    np.testing.assert_allclose(found["score_samples"], _answer(svm, "score_samples"))
    assert found["odd"].tolist() == (_answer(svm, "predict") < 0).tolist()


def test_a_model_of_two_outputs(data: Small) -> None:
    def both(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"first": rows["a"] * 2, "second": rows["b"] - rows["a"]})

    made = _model(data, "sklearn.linear_model:LinearRegression", target=both)
    ((manifest, _),) = made.score(1, block_rows=40)
    found = scores(manifest)
    raw = pd.read_csv(data.folder / "part_1.csv")
    np.testing.assert_allclose(found["prediction_0"], raw["a"] * 2, atol=1e-9)
    np.testing.assert_allclose(found["prediction_1"], raw["b"] - raw["a"], atol=1e-9)


def test_the_columns_of_pairs_are_those_that_the_library_gives_for_them(data: Small) -> None:
    """Three pairs and three classes: each column is in its place, and none is called after one class."""
    from sklearn.svm import SVC

    names = ["low", "mid", "high"]
    made = _model(
        data,
        SVC(decision_function_shape="ovo"),
        target=lambda rows: rows["b"].astype(int).map(lambda b: names[b % 3]),
    )
    ((manifest, _),) = made.score(1, method="decision_function", block_rows=40)
    found = scores(manifest).drop(columns="id")
    assert list(found) == ["prediction_high_vs_low", "prediction_high_vs_mid", "prediction_low_vs_mid"]
    np.testing.assert_allclose(found.to_numpy(), _answer(made, "decision_function"), rtol=1e-12)
    labels = artifact.read_manifest(made.model).signature.labels
    assert labels["decision_function"]["prediction_low_vs_mid"] == ["low", "mid"]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["a b", "a/b", "c"], ["prediction_a b", "prediction_a/b", "prediction_c"]),
        ([1, 2, 3], ["prediction_1", "prediction_2", "prediction_3"]),
    ],
)
def test_labels_of_any_kind_keep_columns_of_their_own(data: Small, names: list[Any], columns: list[str]) -> None:
    made = _model(
        data,
        "sklearn.tree:DecisionTreeClassifier",
        target=lambda rows: rows["b"].astype(int).map(lambda b: names[b % 3]),
    )
    ((manifest, _),) = made.score(1, method="predict_proba", flags={"first": f"{columns[0]}>0.5"}, block_rows=40)
    found = scores(manifest)
    assert list(found) == ["id", *columns, "first"]
    np.testing.assert_allclose(found[columns].to_numpy(), _answer(made, "predict_proba"))
    assert found["first"].tolist() == (found[columns[0]] > 0.5).tolist()
    assert list(artifact.read_manifest(made.model).signature.labels["predict_proba"].values()) == names


def test_a_flag_may_have_the_name_of_a_column_that_is_renamed(data: Small) -> None:
    """The column is written as the model gave it, not as the flag of its name."""
    (kept, _), (plain, _) = (
        data.score(1, method="predict_proba", **options)[0]
        for options in ({"outputs": {"prediction_1": "p"}, "flags": {"prediction_1": "prediction_1>0.5"}}, {})
    )
    assert scores(kept)["p"].tolist() == scores(plain)["prediction_1"].tolist()
    assert scores(kept)["prediction_1"].tolist() == (scores(plain)["prediction_1"] > 0.5).tolist()
