"""Whether a compiled model gives what the library gives: the same labels, and numbers within the stated tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import said
from airflow_batchscore.model.compiled.ensembles import Ensemble, NotCompiledError
from airflow_batchscore.model.compiled.estimators import TOLERANCE
from airflow_batchscore.training.hard_rows import at_thresholds, extremes, without_values

if TYPE_CHECKING:
    import numpy as np

#: A batch's results must not depend on the batch: oneDAL takes the last rows of one by another way.
_ODD_ROWS = 33


@dataclass
class Check:
    """Compares a compiled estimator with the one that it was made of.

    Attributes:
        rows: that were compared, by all methods; rows that both sides refuse are not.
        difference: the largest, as a share of what the tolerance is relative to.
    """

    original: Any
    compiled: Any
    methods: Sequence[str]
    rows: int = 0
    difference: float = 0.0

    def sample(self, features: Any) -> None:
        """Compare rows of the training sample, whole and a few of them. Raises NotCompiledError if they differ."""
        self.compare(features, "the training sample")
        if len(features) > _ODD_ROWS:
            self.compare(features[:_ODD_ROWS], "the training sample")

    def hard_rows(self, ensemble: Ensemble, matrix: np.ndarray) -> None:
        """Compare rows at the trees' thresholds and at the ends of what numbers can be. Raises NotCompiledError."""
        for rows, what in _hard(ensemble, matrix):
            if len(rows):
                self.compare(rows, what)

    def compare(self, features: Any, what: str) -> None:
        """Compare all methods' results. Raises NotCompiledError if they differ, or only one of the two raises."""
        compared = True
        for method in self.methods:
            expected, refused = _tried(self.original, method, features)
            actual, failed = _tried(self.compiled, method, features)
            if refused is not None or failed is not None:
                if refused is None or failed is None:
                    raise NotCompiledError(
                        f"{method} for {what}: the library {_outcome(refused)}, the compiled model {_outcome(failed)}"
                    )
                compared = False
                continue
            self._same(expected, actual, method, what)
        self.rows += len(features) if compared else 0

    def _same(self, expected: Any, actual: Any, method: str, what: str) -> None:
        import numpy as np

        expected, actual = np.asarray(expected), np.asarray(actual)
        if (expected.shape, expected.dtype) != (actual.shape, actual.dtype):
            raise NotCompiledError(
                f"{method} gives {actual.dtype} of shape {actual.shape}, the library {expected.dtype} of shape "
                f"{expected.shape}"
            )
        if method == "predict" and "predict_proba" in self.methods:
            wrong = expected != actual
            if wrong.any():
                raise NotCompiledError(f"{int(wrong.sum())} of {len(wrong)} labels differ for {what}")
            return
        if not expected.size:
            return
        size: Any = 1.0 if method == "predict_proba" else np.maximum(np.abs(expected), np.median(np.abs(expected)))
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.where(expected == actual, 0.0, np.abs(expected.astype(float) - actual) / size)
        largest = float(off.max())
        if not largest <= TOLERANCE:  # also if it is NaN
            raise NotCompiledError(
                f"{method} differs by {largest:.2g} for {what}, more than the {TOLERANCE:g} that is stated"
            )
        self.difference = max(self.difference, largest)


def _hard(ensemble: Ensemble, matrix: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    for rows in at_thresholds(ensemble, matrix):
        yield rows, "rows at the trees' thresholds"
    yield without_values(ensemble, matrix), "rows with missing values"
    for rows in extremes(ensemble, matrix):
        yield rows, "rows with extreme values"


def _tried(estimator: Any, method: str, features: Any) -> tuple[Any, Exception | None]:
    import numpy as np

    given = features.copy()
    try:
        with np.errstate(all="ignore"):
            return getattr(estimator, method)(given), None
    except Exception as error:  # of any library
        return None, error


def _outcome(error: Exception | None) -> str:
    return "gives a result" if error is None else f"raises {said(error)}"
