"""Compiles a trained estimator, and keeps the result only if it gives the library's scores."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_batchscore.errors import ModelError, listed
from airflow_batchscore.model.compiled.ensembles import Ensemble, NotCompiledError, read_ensemble
from airflow_batchscore.model.compiled.estimators import TOLERANCE, is_number, last_step, numbers, with_compiled
from airflow_batchscore.model.compiled.onedal import LIBRARIES
from airflow_batchscore.model.compiled.record import ENGINE, CompiledRecord
from airflow_batchscore.model.compiled.stored import SUFFIX, Stored
from airflow_batchscore.model.estimators import one_openmp_thread, with_one_job
from airflow_batchscore.model.ignored_warnings import ignored
from airflow_batchscore.model.libraries import library_versions
from airflow_batchscore.training.compiled_check import Check

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger(__name__)

Accelerate = bool | Literal["auto"]
_METHODS = ("predict", "predict_proba", "decision_function")
_SAMPLE_ROWS = 20_000
_FEW_ROWS = 30
_UNSEEN = "a category that training never saw"


@dataclass(frozen=True)
class CompiledModel:
    """The bytes of a compiled model, and what ``model.json`` says of it."""

    data: bytes
    record: CompiledRecord


def compile_model(estimator: Any, samples: Sequence[pd.DataFrame], accelerate: Accelerate) -> CompiledModel | None:
    """Compile an estimator, or a pipeline's last step.

    Args:
        samples: of the features that it was trained and measured on.
        accelerate: False does nothing; ``"auto"`` leaves what cannot be compiled to its library, and logs why.

    Returns:
        None if it is to be scored by its own library.

    Raises:
        ModelError: ``accelerate=True``, and it cannot be compiled or would give other scores.
    """
    if accelerate is False:
        return None
    try:
        return compile_or_refuse(estimator, samples)
    except (NotCompiledError, ModelError) as error:
        why = f"{type(last_step(estimator)).__name__} is not compiled: {error}"
    if accelerate != "auto":
        raise ModelError(f"accelerate=True: {why}. Nothing was saved; accelerate='auto' leaves it to its library")
    log.warning("%s. It is scored by its own library", why)
    return None


def compile_or_refuse(estimator: Any, samples: Sequence[pd.DataFrame]) -> CompiledModel:
    """As `compile_model`. Raises NotCompiledError or ModelError if it is to be scored by its own library."""
    # Matrices have no names, and some rows are odd.
    with with_one_job(estimator), one_openmp_thread(), ignored(""):
        return _compiled(estimator, samples)


def _compiled(estimator: Any, samples: Sequence[pd.DataFrame]) -> CompiledModel:
    frames = [frame.iloc[:: max(1, -(-len(frame) // _SAMPLE_ROWS))] for frame in samples if len(frame)]
    last = last_step(estimator)
    ensemble = read_ensemble(last)
    matrix = _inputs(estimator, frames, ensemble.features)
    stored = Stored.of(ensemble, _methods(last, matrix), missing=_accepts_missing(last, matrix))
    _require_close(ensemble, stored, matrix, last)
    data = stored.to_bytes()
    again = Stored.from_bytes(data)
    check = Check(last, with_compiled(last, again), list(stored.header.methods))
    check.sample(matrix)
    check.hard_rows(ensemble, matrix)
    whole = Check(estimator, with_compiled(estimator, again), check.methods)
    for frame in frames:
        whole.sample(frame)
        unseen = _with_unseen(frame)
        if unseen is not None:
            whole.compare(unseen, "rows with unseen categories")
    digest = hashlib.sha256(data).hexdigest()
    record = CompiledRecord(
        engine=ENGINE,
        file=f"model-{digest[:12]}.{SUFFIX}",
        digest=digest,
        methods=list(check.methods),
        libraries={name: version for name, version in library_versions(*LIBRARIES).items() if name in LIBRARIES},
        rows=check.rows + whole.rows,
        difference=max(check.difference, whole.difference),
    )
    log.info(
        "%s is compiled: compared with its library on %d rows, labels are equal and numbers within %.2g",
        type(last).__name__,
        record.rows,
        record.difference,
    )
    return CompiledModel(data, record)


def _inputs(estimator: Any, frames: Sequence[pd.DataFrame], width: int) -> np.ndarray:
    """What the last step of a pipeline gets, as a matrix."""
    import numpy as np

    given: list[Any] = list(frames)
    while hasattr(estimator, "steps"):
        if len(estimator.steps) > 1:
            given = [estimator[:-1].transform(each) for each in given]
        estimator = estimator.steps[-1][1]
    made = [numbers(each, width) for each in given]
    matrices = [each for each in made if each is not None]
    if len(matrices) < len(made) or not made:
        raise NotCompiledError(f"its input is no table of plain numbers{_other_columns(given)}")
    return np.concatenate([each.astype(np.float64) for each in matrices])


def _other_columns(given: Sequence[Any]) -> str:
    """Names and types of columns that are no plain numbers, such as pandas' nullable ones."""
    types = [(name, dtype) for frame in given[:1] if hasattr(frame, "iloc") for name, dtype in frame.dtypes.items()]
    others = [f"{name} ({dtype})" for name, dtype in types if not is_number(dtype)]
    return f": {listed(others)}" if others else ""


def _methods(last: Any, matrix: np.ndarray) -> dict[str, str]:
    """The methods that can be compiled, with the dtypes of their results."""
    import numpy as np

    return {
        method: str(np.asarray(getattr(last, method)(matrix[:2])).dtype) for method in _METHODS if hasattr(last, method)
    }


def _accepts_missing(last: Any, matrix: np.ndarray) -> bool:
    import numpy as np

    row = matrix[:1].copy()
    row[:] = np.nan
    try:
        last.predict(row)
    except Exception:  # of any library
        return False
    return True


def _require_close(ensemble: Ensemble, stored: Stored, matrix: np.ndarray, last: Any) -> None:
    """Raise NotCompiledError unless the rounding of leaves to float32 is within the tolerance, whatever the row.

    A sum is off by at most the largest error of each tree's leaves. Where the library itself adds up in float32, its
    leaves are float32, and nothing is rounded.
    """
    import numpy as np

    if ensemble.single:
        return
    off = [0.0] * len(ensemble.base)
    for tree in ensemble.trees:
        with np.errstate(over="ignore"):
            off[tree.output] += float(np.abs(tree.value - tree.value.astype(np.float32)).max())
    largest = max(off) / stored.header.divisor
    if "predict_proba" in stored.header.methods:
        largest *= ensemble.slope / (4 if ensemble.link == "sigmoid" else 1)  # the steepest that the link is
        size = 1.0
    elif ensemble.link == "exponential":
        size = 1.0  # a factor, which is relative already
    else:
        size = float(np.median(np.abs(last.predict(matrix))))
    if not largest <= TOLERANCE * size:
        raise NotCompiledError(f"its leaves in float32 could be off by {largest:.2g}")


def _with_unseen(frame: pd.DataFrame) -> pd.DataFrame | None:
    """Rows whose texts and categories training never saw; None if all columns are numbers."""
    import numpy as np
    import pandas as pd

    places = [place for place, dtype in enumerate(frame.dtypes) if not pd.api.types.is_numeric_dtype(dtype)]
    if not places:
        return None
    made = frame.head(_FEW_ROWS).copy()
    for place in places:
        made.isetitem(place, np.full(len(made), _UNSEEN, dtype=object))
    return made
