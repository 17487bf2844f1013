"""Versions in the bytes of a pickle, which are found without loading them."""

from __future__ import annotations

import gzip
import io
import pickle
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LinearRegression

from airflow_batchscore.model import made_with

pytestmark = pytest.mark.unit

HERE = sklearn.__version__


class Wrapped:
    """Somebody's own class around a model."""

    def __init__(self, inner: object) -> None:
        self.inner = inner


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> LinearRegression:
    """One that says that scikit-learn 1.3.2 pickles it."""
    monkeypatch.setattr("sklearn.base.__version__", "1.3.2")
    return LinearRegression().fit(np.arange(4.0)[:, None], np.arange(4.0))


def _joblib(value: object, compress: Any = 0) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_version_is_found_whatever_the_protocol(model: LinearRegression, protocol: int) -> None:
    wrapped = Wrapped([{f"value {n}": n for n in range(300)}, model])  # the 300 take the short names of the memo
    for value in (model, wrapped):
        assert made_with.of_pickle(pickle.dumps(value, protocol)) == {"scikit-learn": ("1.3.2", HERE)}


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3)])
def test_the_version_is_found_in_what_joblib_writes(model: LinearRegression, compress: Any) -> None:
    assert made_with.of_pickle(_joblib(model, compress)) == {"scikit-learn": ("1.3.2", HERE)}


def test_the_same_version_and_bytes_that_say_nothing_are_no_difference() -> None:
    assert made_with.of_pickle(pickle.dumps(LinearRegression())) == {}
    assert made_with.of_pickle(gzip.compress(b"anything")) == {}
    assert made_with.of_pickle(b"_sklearn_version") == {}
    assert made_with.cause({}) == made_with.cure({}) == ""


def test_a_version_that_is_not_known_is_named_and_not_asked_for() -> None:
    assert (
        made_with.cause({"daal": (None, "2025.1")})
        == ". The model was made with daal of an unknown version (here 2025.1)"
    )
