"""Training with `accelerate`: what is compiled is kept with the version, what is not is logged or refused."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from compiled_models import MANY_CLASSES, MODELS, NAMES, fitted, labels, table
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_info, threadpool_limits

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.compiled.estimators import Compiled, with_compiled
from airflow_batchscore.model.compiled.stored import Stored
from airflow_batchscore.training.compiling import compile_model
from airflow_batchscore.training.imported import import_model
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, max_depth=5, random_state=0)


def trained_forest() -> RandomForestClassifier:
    frame = table()
    return forest().fit(frame, labels(frame))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame = table()
    frame.assign(label=labels(frame), id=range(len(frame))).to_csv(tmp_path / "part_0.csv", index=False)
    return tmp_path


def _train(folder: Path, **options: Any) -> TrainedModel:
    job = {
        "dataset": PartitionedDataset(f"{folder}/part_{{p}}.csv"),
        "partitions": [0],
        "recipe": Recipe(target="label", keys=["id"], columns=NAMES),
        "estimator": "test_compiling:forest",
        "model_uri": f"{folder}/model",
        **options,
    }
    return train(TrainingJob(**job))


@pytest.mark.parametrize("name", MANY_CLASSES)
def test_models_of_many_classes(name: str) -> None:
    model, frame = fitted(name, classes=4)
    made = compile_model(model, [frame], accelerate=True)
    assert made is not None
    compiled, others = with_compiled(model, Stored.from_bytes(made.data)), table(2000, seed=9)
    np.testing.assert_array_equal(compiled.predict(others), model.predict(others))
    np.testing.assert_allclose(compiled.predict_proba(others), model.predict_proba(others), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith("gradient")])
def test_models_trained_on_missing_values(name: str) -> None:
    model, frame = fitted(name, missing=True)
    made = compile_model(model, [frame], accelerate=True)
    assert made is not None
    compiled, others = with_compiled(model, Stored.from_bytes(made.data)), table(2000, missing=True, seed=9)
    np.testing.assert_allclose(compiled.predict(others), model.predict(others), rtol=2e-6)


def test_a_pipeline_that_encodes_categories_gets_unseen_ones_too() -> None:
    frame = table().assign(kind=np.random.default_rng(0).choice(["x", "y"], 600))
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["kind"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, HistGradientBoostingClassifier(max_iter=5)).fit(frame, labels(frame[NAMES]))
    made = compile_model(model, [frame], accelerate=True)
    assert made is not None
    assert made.record.methods == ["predict", "predict_proba", "decision_function"]
    compiled = with_compiled(model, Stored.from_bytes(made.data))
    unseen = frame.assign(kind="z")
    np.testing.assert_array_equal(compiled.predict(unseen), model.predict(unseen))


def test_rows_with_unseen_categories_are_compared_where_there_are_categories() -> None:
    frame = table().assign(kind=np.random.default_rng(0).choice(["x", "y"], 600))
    target = labels(frame[NAMES])
    plain = compile_model(forest().fit(frame[NAMES], target), [frame[NAMES]], accelerate=True)
    selector = make_column_transformer(("passthrough", NAMES), ("drop", ["kind"]))
    mixed = compile_model(make_pipeline(selector, forest()).fit(frame, target), [frame], accelerate=True)
    assert plain is not None
    assert mixed is not None
    assert mixed.record.rows - plain.record.rows == 30


def _shrunk() -> Any:
    model = trained_forest()
    model.n_estimators = 20
    return model


def _stopped() -> Any:
    model = GradientBoostingClassifier(n_estimators=500, n_iter_no_change=1, random_state=0)
    frame = table()
    model.fit(frame, np.random.default_rng(0).integers(0, 2, len(frame)))
    assert len(model.estimators_) < 500
    return model


@pytest.mark.parametrize("make", [_shrunk, _stopped])
def test_a_model_with_fewer_trees_than_asked_for_is_compiled_with_those_it_has(make: Any) -> None:
    model, frame = make(), table()
    asked = model.n_estimators
    made = compile_model(model, [frame], accelerate=True)
    assert made is not None
    assert model.n_estimators == asked
    compiled, others = with_compiled(model, Stored.from_bytes(made.data)), table(2000, seed=9)
    np.testing.assert_allclose(compiled.predict_proba(others), model.predict_proba(others), atol=1e-6, rtol=0)


def test_columns_that_are_no_plain_numbers_are_named() -> None:
    frame = table().astype({"b": "Int64", "c": "Float64"})
    model = forest().fit(frame, labels(table()))
    with pytest.raises(ModelError, match=r"its input is no table of plain numbers: b \(Int64\), c \(Float64\)"):
        compile_model(model, [frame], accelerate=True)


def test_a_pipeline_with_a_sparse_last_input_is_left_to_its_library() -> None:
    frame = pd.DataFrame({"kind": ["x", "y", "z"] * 20})
    model = make_pipeline(OneHotEncoder(), RandomForestClassifier(3)).fit(frame, [0, 1, 1] * 20)
    with pytest.raises(ModelError, match="its input is no table of plain numbers"):
        compile_model(model, [frame], accelerate=True)


@pytest.mark.parametrize("target", [["no", "yes"], [False, True], [7, -3]])
def test_labels_of_any_type(target: list[Any]) -> None:
    frame = table()
    model = forest().fit(frame, np.array(target)[labels(frame)])
    made = compile_model(model, [frame], accelerate=True)
    assert made is not None
    compiled, others = with_compiled(model, Stored.from_bytes(made.data)), table(500, seed=1)
    np.testing.assert_array_equal(compiled.predict(others), model.predict(others))
    assert compiled.predict(others).dtype == model.predict(others).dtype


def test_a_link_that_treelite_takes_for_another_is_found() -> None:
    frame = table()
    model = GradientBoostingClassifier(n_estimators=5, loss="exponential").fit(frame, labels(frame))
    with pytest.raises(ModelError, match="predict_proba differs by"):
        compile_model(model, [frame], accelerate=True)


def test_a_lightgbm_model_is_named_as_its_users_know_it(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        _train(folder, estimator=MODELS["lightgbm"](), accelerate=True)
    assert "LGBMClassifier is compiled" in caplog.text


def test_leaves_that_float32_would_change_too_much_are_refused() -> None:
    model, frame = fitted("forest of values")
    for tree in model.estimators_:
        tree.tree_.value[np.flatnonzero(tree.tree_.feature < 0)[0]] = 1e9 + 17.3  # others are about 1000
    with pytest.raises(ModelError, match="its leaves in float32 could be off by"):
        compile_model(model, [frame], accelerate=True)


def test_auto_says_why_a_model_is_not_compiled_and_true_fails(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    linear = {"estimator": LogisticRegression()}
    with caplog.at_level(logging.WARNING):
        assert _train(folder, accelerate="auto", **linear).manifest.compiled is None
    assert "LogisticRegression is not compiled: sklearn.linear_model" in caplog.text
    assert "It is scored by its own library" in caplog.text
    with pytest.raises(ModelError, match="accelerate=True: LogisticRegression is not compiled: .*Nothing was saved"):
        _train(folder, accelerate=True, model_uri=f"{folder}/other", **linear)
    assert not (folder / "other").exists()


@pytest.mark.parametrize("given", ["yes", 0, 1, None])
def test_anything_but_true_false_and_auto_is_refused(folder: Path, given: Any) -> None:
    with pytest.raises(ModelError, match=f"accelerate={given!r}: use True, False or 'auto'"):
        _train(folder, accelerate=given)


def test_a_compiled_model_is_kept_beside_the_original_and_is_what_predicts(folder: Path) -> None:
    plain, fast = _train(folder), _train(folder, accelerate="auto")
    assert plain.manifest.compiled is None
    assert plain.ref.version != fast.ref.version
    record = fast.manifest.compiled
    assert record is not None
    assert fast.ref.compiled == f"onedal:{record.digest}"
    assert (Path(fast.ref.uri) / record.file).stat().st_size > 1000
    assert artifact.read_manifest(fast.ref).compiled == record
    slow, quick = (artifact.load(each.ref).estimator for each in (plain, fast))
    assert type(slow) is RandomForestClassifier
    assert isinstance(quick, Compiled)
    frame = table(seed=5)
    np.testing.assert_array_equal(quick.predict(frame), slow.predict(frame))
    again = _train(folder, accelerate="auto")
    assert again.reused
    assert again.ref == fast.ref


def test_imported_models_are_compiled_too(folder: Path) -> None:
    made = _train(folder, estimator=import_model(trained_forest), accelerate=True)
    assert isinstance(artifact.load(made.ref).estimator, Compiled)


def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "treelite", None)
    with pytest.raises(ModelError, match=r"compiling a model needs treelite.*airflow-batchscore\[accelerate\]"):
        _train(folder, accelerate=True)
    assert _train(folder, accelerate="auto").manifest.compiled is None


def _openmp_threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "openmp"}


class Watched(HistGradientBoostingClassifier):  # type: ignore[misc]
    """Notes with how many threads it is fitted, and with how many it predicts as few rows as the checks do."""

    fitted_with: ClassVar[set[int]] = set()
    predicts_with: ClassVar[set[int]] = set()

    def fit(self, X: Any, y: Any) -> Any:  # noqa: N803
        self.fitted_with.update(_openmp_threads())
        return super().fit(X, y)

    def predict(self, X: Any) -> Any:  # noqa: N803
        if len(X) < 600:
            self.predicts_with.update(_openmp_threads())
        return super().predict(X)


def test_checks_use_one_thread_of_openmp_and_training_all(folder: Path) -> None:
    with threadpool_limits(limits=2, user_api="openmp"):
        _train(folder, estimator=Watched(max_iter=3))
        assert _openmp_threads() == {2}
    assert (Watched.fitted_with, Watched.predicts_with) == ({2}, {1})


def test_compiling_uses_one_thread_of_openmp() -> None:
    frame, seen = table(), set()
    model = HistGradientBoostingClassifier(max_iter=3).fit(frame, labels(frame))
    original = model.predict
    model.predict = lambda rows: (seen.update(_openmp_threads()), original(rows))[1]
    with threadpool_limits(limits=2, user_api="openmp"):
        compile_model(model, [frame], accelerate=True)
        assert _openmp_threads() == {2}
    assert seen == {1}
