"""Compiled estimators behave like those that they were compiled of."""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compiled_models import MODELS, NAMES, fitted, labels, table
from scipy import sparse
from sklearn.base import is_classifier, is_regressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from airflow_batchscore.model.compiled.ensembles import read_ensemble
from airflow_batchscore.model.compiled.estimators import TOLERANCE, Compiled, last_step, with_compiled
from airflow_batchscore.model.compiled.stored import Stored
from airflow_batchscore.training.compiling import compile_model

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("ignore:X does not have valid feature names")]


def compiled(model: Any, frame: pd.DataFrame) -> Any:
    made = compile_model(model, [frame], accelerate=True)
    assert made is not None
    return with_compiled(model, Stored.from_bytes(made.data))


def close(one: Any, other: Any) -> bool:
    size = np.maximum(np.abs(np.asarray(one)), np.median(np.abs(one)))
    return bool((np.abs(np.asarray(one) - np.asarray(other)) <= TOLERANCE * size).all())


@pytest.mark.parametrize("name", MODELS)
def test_rows_that_training_never_saw_get_the_librarys_scores(name: str) -> None:
    model, frame = fitted(name)
    made = compiled(model, frame)
    for others in (table(3000, seed=1), table(3000, missing=not name.startswith("gradient"), seed=2)):
        for given in (others, others.to_numpy(), others.to_numpy().astype(np.float32), others.head(1)):
            if hasattr(model, "predict_proba"):
                np.testing.assert_array_equal(made.predict(given), model.predict(given))
                np.testing.assert_allclose(
                    made.predict_proba(given), model.predict_proba(given), atol=TOLERANCE, rtol=0
                )
                assert made.predict_proba(given).dtype == model.predict_proba(given).dtype
            else:
                assert close(model.predict(given), made.predict(given))
                assert made.predict(given).dtype == model.predict(given).dtype


@pytest.mark.parametrize("name", MODELS)
def test_rows_made_of_thresholds_get_the_librarys_scores(name: str) -> None:
    """Every value is a threshold of some tree, or one of the numbers beside it."""
    model, frame = fitted(name, seed=6)
    made, ensemble, rng = compiled(model, frame), read_ensemble(model), np.random.default_rng(6)
    rows = np.empty((10_000, len(NAMES)))
    for place in range(len(NAMES)):
        thresholds = np.concatenate([[0.0], *(tree.threshold[tree.feature == place] for tree in ensemble.trees)])
        near = thresholds.astype(np.float32)
        beside = [np.nextafter(given, given.dtype.type(side)) for given in (thresholds, near) for side in (-9e9, 9e9)]
        rows[:, place] = rng.choice(np.concatenate([thresholds, near, *beside]), len(rows))
    if not hasattr(model, "predict_proba"):
        assert close(model.predict(rows), made.predict(rows))
        return
    np.testing.assert_array_equal(made.predict(rows), model.predict(rows))
    np.testing.assert_allclose(made.predict_proba(rows), model.predict_proba(rows), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["forest", "histogram boosting", "xgboost"])
def test_a_score_does_not_depend_on_the_rows_beside_it(name: str) -> None:
    model, frame = fitted(name)
    made, rows = compiled(model, frame), table(1000, seed=3).to_numpy()
    whole = made.predict_proba(rows)
    for size in (1, 7, 31, 33, 500):
        parts = [made.predict_proba(rows[start : start + size]) for start in range(0, len(rows), size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_everything_else_is_the_librarys() -> None:
    model, frame = fitted("forest")
    made = compiled(model, frame)
    assert isinstance(made, Compiled)
    assert is_classifier(made)
    assert not is_regressor(made)
    assert made.classes_.tolist() == [0, 1]
    assert made.n_estimators == 12
    np.testing.assert_array_equal(made.predict_log_proba(frame), model.predict_log_proba(frame))
    assert not hasattr(made, "decision_function")
    assert hasattr(compiled(*fitted("histogram boosting")), "decision_function")
    check_is_fitted(made)
    with pytest.raises(NotFittedError):
        check_is_fitted(MODELS["forest"]())
    for again in (copy.copy(made), copy.deepcopy(model)):
        np.testing.assert_array_equal(again.predict(frame), model.predict(frame))


def test_infinities_are_refused_as_by_the_library_and_leave_other_rows_alone() -> None:
    model, frame = fitted("forest")
    made, rows = compiled(model, frame), frame.to_numpy().copy()
    rows[3, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        made.predict_proba(rows)
    boosted, frame = fitted("histogram boosting")
    made = compiled(boosted, frame)
    rows = frame.to_numpy().copy()
    whole = made.predict_proba(rows)
    rows[3, 0], rows[5, 1] = np.inf, 1e300
    np.testing.assert_array_equal(made.predict_proba(rows)[[3, 5]], boosted.predict_proba(rows[[3, 5]]))
    np.testing.assert_array_equal(np.delete(made.predict_proba(rows), [3, 5], 0), np.delete(whole, [3, 5], 0))


@pytest.mark.parametrize("kind", ["objects", "sparse", "nullable", "text", "no rows"])
def test_other_inputs_than_plain_numbers_go_to_the_library(kind: str) -> None:
    model, frame = fitted("forest")
    made = compiled(model, frame)
    given: Any = {
        "objects": lambda: frame.astype(object),
        "sparse": lambda: sparse.csr_matrix(frame.to_numpy()),
        "nullable": lambda: frame.astype({"b": "Int64"}),
        "text": lambda: frame.assign(b="x"),
        "no rows": lambda: frame.head(0),
    }[kind]()
    try:
        expected = model.predict_proba(given)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)[:20]):
            made.predict_proba(given)
    else:
        np.testing.assert_array_equal(made.predict_proba(given), expected)


def test_integers_beyond_float64_go_to_the_library() -> None:
    model, frame = fitted("xgboost")
    made = compiled(model, frame)
    wide = np.array([[2**53 + 1, 1, 1, 1], [2**60 + 2**36 + 1, 0, 0, 0]])
    for given in (wide, pd.DataFrame(wide, columns=NAMES)):
        np.testing.assert_array_equal(made.predict_proba(given), model.predict_proba(given))
    small = frame.assign(b=frame["b"].astype(int), c=frame["c"] > 0)
    np.testing.assert_allclose(made.predict_proba(small), model.predict_proba(small), atol=TOLERANCE)


def test_a_pipeline_keeps_its_steps_and_only_the_last_is_compiled() -> None:
    frame = table()
    model = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)))
    model.fit(frame, labels(frame))
    made = compiled(model, frame)
    assert isinstance(last_step(made), Compiled)
    assert made.steps[0][1] is model.steps[0][1]
    assert type(last_step(model)) is RandomForestClassifier
    others = table(500, seed=4)
    np.testing.assert_array_equal(made.predict(others), model.predict(others))
    np.testing.assert_allclose(made.predict_proba(others), model.predict_proba(others), atol=TOLERANCE)


def test_the_library_decides_between_classes_that_are_nearly_as_likely() -> None:
    """The shares add up to a half, but for the last digit, which float32 changes."""
    shares = [0.1, 0.9, 0.3, 0.7, 0.45, 0.55, 0.15, 0.85, 0.6, 0.4]
    wrong = 0
    for order in range(20):
        model, frame = fitted("forest")
        model.estimators_ = model.estimators_[:10]
        model.n_estimators = 10
        rng = np.random.default_rng(order)
        for tree, share in zip(model.estimators_, rng.permutation(shares), strict=True):
            tree.tree_.value[:] = [[1 - share, share]]
        methods = {"predict": "int64", "predict_proba": "float64"}
        made = with_compiled(model, Stored.of(read_ensemble(model), methods, missing=True))
        expected = model.predict(frame)
        wrong += int((made.predict_proba(frame).argmax(axis=1) != expected).any())
        np.testing.assert_array_equal(made.predict(frame), expected)
    assert wrong  # so the labels come from elsewhere than from the compiled probabilities


def test_threads_share_one() -> None:
    model, frame = fitted("histogram boosting")
    made, rows = compiled(model, frame), table(20_000, seed=5).to_numpy()
    expected = made.predict_proba(rows)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.extend(made.predict_proba(rows) for _ in range(5))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    for each in found:
        np.testing.assert_array_equal(each, expected)
