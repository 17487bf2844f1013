"""Estimators of known libraries, and what must be tried of all others: whether they look at each row alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.libraries import KNOWN_PACKAGES
from airflow_batchscore.model.measure import matrix_methods, results
from airflow_batchscore.model.model_code import own_code, packages
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.row_wise import first_difference

if TYPE_CHECKING:
    import pandas as pd

    from airflow_batchscore.model.flavors import Flavor

_SAMPLE_ROWS = 200
_FEW_ROWS = (1, 2, 5)


def tried_methods(estimator: Any, kind: Flavor, features: pd.DataFrame, *, row_wise: bool) -> tuple[str, ...]:
    """Methods of a fitted estimator that give the same for a matrix as for a frame, of known libraries only.

    Raises RecipeError: another one does not look at each row alone, though the recipe is `row_wise`.
    """
    if _is_known(estimator, kind):
        return matrix_methods(estimator, features)
    if row_wise:
        _check_rows(estimator, features)
    return ()


def _is_known(estimator: Any, kind: Flavor) -> bool:
    """Whether it is made of classes of known libraries only, and calls no function that it was given."""
    from sklearn.preprocessing import FunctionTransformer

    parameters = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    if any(isinstance(part, FunctionTransformer) for part in (estimator, *parameters.values())):
        return False
    return not own_code(estimator) and set(packages(estimator, kind)) <= KNOWN_PACKAGES


def _check_rows(estimator: Any, features: pd.DataFrame) -> None:
    """Run a fitted estimator on some of its rows, and again on a shuffled half and on a few of these."""
    import numpy as np

    count = min(_SAMPLE_ROWS, len(features))
    numbers = np.random.default_rng(0).permutation(np.linspace(0, len(features) - 1, count).astype(np.int64))
    rows = features.iloc[numbers].reset_index(drop=True)
    sizes = (-(-count // 2), *_FEW_ROWS)
    for method in METHODS:
        whole = None if method == "predict_log_proba" else _tried(estimator, method, rows)
        if whole is None:
            continue
        for size in sizes:
            try:
                found = first_difference(whole.head(size), results(estimator, rows.head(size), method))
            except Exception as error:
                raise _depends(estimator, method, f"it raises {type(error).__name__}: {error} for {size}") from error
            if found is not None:
                raise _depends(estimator, method, f"column {found[0]!r} is another one for a row among {size}")


def _tried(estimator: Any, method: str, rows: pd.DataFrame) -> pd.DataFrame | None:
    """What a method gives; None where it cannot be called, and so cannot be asked for, either."""
    if not hasattr(estimator, method):
        return None
    try:
        return results(estimator, rows, method)
    except Exception:
        return None


def _depends(estimator: Any, method: str, what: str) -> RecipeError:
    return RecipeError(
        f"{method} of {type(estimator).__name__} does not look at each row alone, or gives other values each time: it "
        f"works on a sample of rows, but {what}. Partitions are scored in blocks. Let it learn such numbers when it "
        "is fitted (a mean in FunctionTransformer is one of the batch; StandardScaler's is learned); if whole "
        "partitions are meant, set Recipe(row_wise=False)"
    )
