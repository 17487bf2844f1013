"""What a fitted estimator returns: its output columns, the methods that accept a matrix, and its reference profile."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

from airflow_batchscore.data.json_types import Json, JsonObject
from airflow_batchscore.errors import ModelError, said
from airflow_batchscore.model.columns import OutputColumn, Pair, columns_of
from airflow_batchscore.model.estimators import with_one_job
from airflow_batchscore.model.features import text_note
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.user_code import result_of
from airflow_batchscore.quality import profile
from airflow_batchscore.quality.beyond import make_ranges
from airflow_batchscore.quality.profile import Profile, ReferenceProfile

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_PROFILE_ROWS = 50_000
_TRIAL_ROWS = 64


def outputs_and_labels(
    estimator: object, features: pd.DataFrame
) -> tuple[dict[str, dict[str, str]], dict[str, JsonObject]]:
    """For each method: its output columns with their Arrow types, and with what they represent.

    Raises:
        ModelError: a method fails, or returns values that have no common type.
    """
    types: dict[str, dict[str, str]] = {}
    labels: dict[str, JsonObject] = {}
    for method in METHODS:
        if hasattr(estimator, method):
            columns = _outputs(estimator, features.head(100), method)
            types[method] = {column.name: _type(estimator, method, column) for column in columns}
            label_of = {column.name: _as_json(column.label) for column in columns if column.label is not None}
            labels |= {method: label_of} if label_of else {}
            if any(name == f"prediction_{at}" != f"prediction_{label_of[name]}" for at, name in enumerate(label_of)):
                log.warning("two of the labels %s of %s look the same: its columns go by place", label_of, method)
    return types, labels


def _type(estimator: object, method: str, column: OutputColumn) -> str:
    import pyarrow as pa

    try:
        return str(pa.array(column.values).type)
    except pa.ArrowException as error:
        raise ModelError(
            f"{method} of {type(estimator).__name__} gives values in the column {column.name!r} that no file can hold "
            f"as one type: {error}"
        ) from error


def _as_json(label: object) -> Json:
    """A label in JSON form: a pair as a list, types unknown to JSON as text."""
    if isinstance(label, Pair):
        return [_as_json(label.first), _as_json(label.second)]
    plain = label.item() if hasattr(label, "item") else label
    return plain if isinstance(plain, (str, bool, int)) else str(plain)


def matrix_methods(estimator: object, features: pd.DataFrame) -> tuple[str, ...]:
    """Methods with the same result for a plain matrix; a model that selects columns by name has none."""
    import numpy as np
    import pandas as pd
    import pandas.api.types as pt

    if not all(pt.is_numeric_dtype(features[name].dtype) for name in features):
        return ()
    whole = features.astype(float).dropna()
    sample = whole.iloc[:: max(1, len(whole) // _TRIAL_ROWS)].head(_TRIAL_ROWS)
    # Column-major, as in scoring: the last digit of a product can depend on the memory layout.
    matrix = np.asfortranarray(sample.to_numpy())
    frame = pd.DataFrame(matrix, columns=sample.columns)
    methods = []
    for method in METHODS if len(sample) else ():
        call = getattr(estimator, method, None)
        if call is None:
            continue
        try:
            with np.errstate(divide="ignore"), warnings.catch_warnings(), with_one_job(estimator):
                warnings.simplefilter("ignore")  # scikit-learn's about names
                same = np.array_equal(call(frame.copy()), call(matrix.copy(order="K")))
        except Exception:  # a model that needs names may raise anything
            same = False
        if same:
            methods.append(method)
    return tuple(methods)


def results(estimator: object, features: pd.DataFrame, method: str) -> pd.DataFrame:
    """The result of a method for some rows: one column per output."""
    import pandas as pd

    return pd.DataFrame({column.name: column.values for column in _outputs(estimator, features, method)})


def _outputs(estimator: object, features: pd.DataFrame, method: str) -> list[OutputColumn]:
    import numpy as np

    try:
        with np.errstate(divide="ignore"):  # the logarithm of probability 0
            values = result_of(estimator, method, features.copy())
    except Exception as error:
        raise ModelError(
            f"{method} of {type(estimator).__name__} failed on {len(features)} rows: {said(error)}"
            f"{text_note(features, error)}"
        ) from error
    return columns_of(estimator, values, method)


def reference_profile(estimator: object, features: pd.DataFrame) -> ReferenceProfile:
    """Bins, counts and ranges of the training features; bins and counts of each method's results for them."""
    sample = features.iloc[:: max(1, -(-len(features) // _PROFILE_ROWS))]
    bins = profile.make_bins(sample)
    outputs: dict[str, Profile] = {}
    for method in METHODS:
        if method in ("transform", "predict_log_proba") or not hasattr(estimator, method):
            continue
        columns = results(estimator, sample, method)
        output_bins = profile.make_bins(columns)
        outputs[method] = Profile(output_bins, profile.count(columns, output_bins))
    # The extremes are those of all rows: a sample would call some of the training data strange.
    return ReferenceProfile(Profile(bins, profile.count(sample, bins)), outputs, make_ranges(features, bins))
