"""What a saved estimator can be asked: whether it looks at each row alone, and takes a matrix for a frame.

Libraries are known to take a matrix, not to look at each row alone: some decompositions stop when the whole batch is
good enough, and some estimators draw lots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.libraries import KNOWN_PACKAGES
from airflow_batchscore.model.likeness import first_unlike, tried
from airflow_batchscore.model.measure import matrix_methods, results
from airflow_batchscore.model.model_code import own_code, packages
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.row_wise import first_difference

if TYPE_CHECKING:
    import pandas as pd

    from airflow_batchscore.model.flavors import Flavor

_SAMPLE_ROWS = 200
_FEW_ROWS = (1, 2, 5)


def tried_methods(
    estimator: Any, saved: Any, kind: Flavor, features: pd.DataFrame, *, row_wise: bool
) -> tuple[str, ...]:
    """Methods of a saved estimator that give the same for a matrix as for a frame, of known libraries only.

    Args:
        estimator: the fitted one, made of the classes that count.
        saved: what it loads as.

    Raises RecipeError: a method does not look at each row alone, though the recipe is `row_wise`.
    """
    known = _is_known(estimator, kind)
    if row_wise:
        _check_rows(saved, features, known=known)
    return matrix_methods(saved, features) if known else ()


def _is_known(estimator: Any, kind: Flavor) -> bool:
    """Whether it is made of classes of known libraries only, and calls no function that it was given."""
    from sklearn.preprocessing import FunctionTransformer

    parameters = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    if any(isinstance(part, FunctionTransformer) for part in (estimator, *parameters.values())):
        return False
    return not own_code(estimator) and set(packages(estimator, kind)) <= KNOWN_PACKAGES


def _check_rows(estimator: Any, features: pd.DataFrame, *, known: bool) -> None:
    """Run a saved estimator on some of its rows, again on the same, and on a shuffled half and a few of them.

    A known one may sum up in another order for other rows, so that its numbers need only be alike.
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
            # The last ones: of the first, one that draws lots with a seed would draw the same again.
            some, expected = (frame.tail(size).reset_index(drop=True) for frame in (rows, whole))
            try:
                found = results(estimator, some, method)
            except Exception as error:
                raise _depends(estimator, method, f"it raises {type(error).__name__}: {error} for {size}") from error
            if len(found.columns) != len(expected.columns):
                raise _depends(estimator, method, f"it gives {len(found.columns)} columns for {size}")
            found.columns = expected.columns  # some know the names of their columns for some numbers of rows only
            different = first_difference(expected, found)
            if different is not None and known:
                different = first_unlike(estimator, method, some, expected, found, ties=False)
            if different is not None:
                raise _depends(estimator, method, f"column {different[0]!r} is another one for a row among {size}")


def _depends(estimator: Any, method: str, what: str) -> RecipeError:
    return RecipeError(
        f"{method} of {type(estimator).__name__} does not look at each row alone, or gives other values each time: it "
        f"works on a sample of rows, but {what}. Partitions are scored in blocks. Let it learn such numbers when it "
        "is fitted (a mean in FunctionTransformer is one of the batch; StandardScaler's is learned); if whole "
        "partitions are meant, set Recipe(row_wise=False)"
    )
