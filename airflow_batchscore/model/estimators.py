"""The kind of an estimator from any library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Searches that predict like their best estimator. Their subclasses may behave differently and are kept as they are.
_SEARCHES = {
    *("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"),
    *("IncrementalSearchCV", "HyperbandSearchCV", "SuccessiveHalvingSearchCV", "InverseDecaySearchCV"),
}


def kind_of(estimator: object) -> str:
    """``"classifier"``, ``"regressor"``, or something else, also for estimators outside scikit-learn."""
    from sklearn.base import is_classifier, is_regressor

    if not hasattr(estimator, "__sklearn_tags__"):
        return "other"
    return "classifier" if is_classifier(estimator) else "regressor" if is_regressor(estimator) else "other"


def unwrap(estimator: Any) -> Any:
    """The estimator inside dask-ml's and scikit-learn's wrappers for parallel work, which blocks replace here.

    `ParallelPostFit` and `Incremental` are replaced by the estimator inside, a finished search by its best estimator.
    """
    name, library = type(estimator).__name__, type(estimator).__module__.partition(".")[0]
    if library == "dask_ml" and name in ("ParallelPostFit", "Incremental"):
        return unwrap(getattr(estimator, "estimator_", estimator.estimator))
    if library in ("sklearn", "dask_ml") and name in _SEARCHES and hasattr(estimator, "best_estimator_"):
        return unwrap(estimator.best_estimator_)
    return estimator


def one_job(estimator: Any) -> Any:
    """The estimator without threads of its own: blocks are scored one per core already."""
    jobs = _jobs(estimator)
    if jobs:
        estimator.set_params(**dict.fromkeys(jobs, 1))
    return estimator


@contextmanager
def with_one_job(estimator: Any) -> Iterator[None]:
    """As it will score: the threads of a forest add up its trees in another order each time."""
    jobs = _jobs(estimator)
    one_job(estimator)
    try:
        yield
    finally:
        if jobs:
            estimator.set_params(**jobs)


@contextmanager
def one_openmp_thread() -> Iterator[None]:
    """Keep the calling thread's calls out of OpenMP's threads: for a few rows, waking them costs more than they save.

    BLAS is left alone: scoring limits it later, and OpenBLAS takes no second limit from another thread.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="openmp"):
        yield


def _jobs(estimator: object) -> dict[str, object]:
    """Names and values of parameters that start threads."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return {}
    # None is one thread to scikit-learn and all of them to XGBoost.
    parameters = estimator.get_params(deep=True)
    return {name: value for name, value in parameters.items() if name.rpartition("__")[2] == "n_jobs" and value != 1}
