"""What is known of a saved estimator's code: whether it treats each row independently and accepts a matrix.

Known libraries accept a matrix, but may not treat each row independently: some decompositions stop when the whole batch
is good enough, and some estimators use random numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.libraries import KNOWN_PACKAGES
from airflow_batchscore.model.model_code import own_code, packages
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.row_wise import first_difference
from airflow_batchscore.training.likeness import first_unlike, tried
from airflow_batchscore.training.signature import matrix_methods, results

if TYPE_CHECKING:
    import pandas as pd

    from airflow_batchscore.model.flavors import Flavor

_SAMPLE_ROWS = 200
_FEW_ROWS = (1, 2, 5)


def tried_methods(
    estimator: object, saved: object, kind: Flavor, features: pd.DataFrame, *, row_wise: bool
) -> tuple[str, ...]:
    """Methods of a saved estimator with the same result for a matrix as for a frame, for known libraries only.

    Args:
        estimator: the fitted estimator, whose classes are checked.
        saved: the estimator loaded from its bytes.

    Raises RecipeError if a method does not treat each row independently although the recipe is `row_wise`.
    """
    known = _is_known(estimator, kind)
    if row_wise:
        _check_rows(saved, features, known=known)
    return matrix_methods(saved, features) if known else ()


def _is_known(estimator: object, kind: Flavor) -> bool:
    """Whether it only consists of classes from known libraries and calls no function passed to it."""
    from sklearn.preprocessing import FunctionTransformer

    parameters = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    if any(isinstance(part, FunctionTransformer) for part in (estimator, *parameters.values())):
        return False
    return not own_code(estimator) and set(packages(estimator, kind)) <= KNOWN_PACKAGES


def _check_rows(estimator: object, features: pd.DataFrame, *, known: bool) -> None:
    """Run a saved estimator on a sample of rows, again on the same, and on a shuffled half and a few of them.

    A known one may sum in another order for other rows, so its numbers need only be close.
    """
    import numpy as np

    count = min(_SAMPLE_ROWS, len(features))
    numbers = np.random.default_rng(0).permutation(np.linspace(0, len(features) - 1, count).astype(np.int64))
    rows = features.iloc[numbers].reset_index(drop=True)
    for method in METHODS:
        whole = None if method == "predict_log_proba" else tried(estimator, method, rows)
        if whole is None:
            continue
        for size in (count, -(-count // 2), *_FEW_ROWS):
            # The last rows: on the first ones, an estimator with a seed would draw the same numbers again.
            subset, expected = (frame.tail(size).reset_index(drop=True) for frame in (rows, whole))
            try:
                actual = results(estimator, subset, method)
            except Exception as error:
                raise _depends(estimator, method, f"it raises {type(error).__name__}: {error} for {size}") from error
            if len(actual.columns) != len(expected.columns):
                raise _depends(estimator, method, f"it gives {len(actual.columns)} columns for {size}")
            actual.columns = expected.columns  # some only keep column names for some numbers of rows
            different = first_difference(expected, actual)
            if different is not None and known:
                different = first_unlike(estimator, method, subset, expected, actual, ties=False)
            if different is not None:
                raise _depends(estimator, method, f"column {different[0]!r} is another one for a row among {size}")


def _depends(estimator: object, method: str, what: str) -> RecipeError:
    return RecipeError(
        f"{method} of {type(estimator).__name__} does not look at each row alone, or gives other values each time: it "
        f"works on a sample of rows, but {what}. Partitions are scored in blocks. Let it learn such numbers when it "
        "is fitted (a mean in FunctionTransformer is one of the batch; StandardScaler's is learned); if whole "
        "partitions are meant, set Recipe(row_wise=False)"
    )
