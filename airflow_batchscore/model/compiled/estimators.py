"""Estimators that predict with compiled trees, and otherwise are the estimators that were compiled."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from airflow_batchscore.model.compiled.onedal import Sums
from airflow_batchscore.model.compiled.splits import Rounding
from airflow_batchscore.model.compiled.stored import Stored

if TYPE_CHECKING:
    import numpy as np

#: Stated difference of a number from the library's: of a probability, and of any other number relative to it.
TOLERANCE = 1e-6
#: Two classes that are this close, or closer, are told apart by the library: each may be off by the tolerance.
_CLOSE = 4 * TOLERANCE
#: Beyond it, an integer is not exactly a float64.
_WHOLE = 1 << 53


def with_compiled(estimator: Any, stored: Stored) -> Any:
    """The estimator, or the pipeline with its last step, with the compiled methods in place of the library's."""
    steps = getattr(estimator, "steps", None)
    if steps:
        pipeline = copy.copy(estimator)
        name, last = steps[-1]
        pipeline.steps = [*steps[:-1], (name, with_compiled(last, stored))]
        return pipeline
    methods = stored.header.methods
    kind = Compiled if "predict_proba" not in methods else CompiledClassifier
    return (CompiledBooster if "decision_function" in methods else kind)(estimator, stored)


def last_step(estimator: Any) -> Any:
    """The estimator itself, or a pipeline's last one."""
    steps = getattr(estimator, "steps", None)
    return last_step(steps[-1][1]) if steps else estimator


class Compiled:
    """A regressor. Its other methods and attributes are those of the estimator.

    The library gets the rows that oneDAL would treat otherwise: those with infinities or values that float32 cannot
    hold, and all rows of a frame that is not one of plain numbers.

    Attributes:
        takes_float32_rows: whether it rounds its input to float32 anyway.
    """

    def __init__(self, original: Any, stored: Stored) -> None:
        self._original = original
        self._header = stored.header
        self._sums = Sums(
            stored.nodes,
            features=stored.header.features,
            outputs=len(stored.header.base),
            single=stored.header.single,
        )
        self._rounding = Rounding(stored.thresholds, single=stored.header.single, zero=stored.header.zero)
        self.takes_float32_rows = stored.header.rounds

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and not name.startswith("__sklearn"):
            raise AttributeError(name)  # what copies and pickles ask for
        return getattr(self.__dict__["_original"], name)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, features: Any) -> Any:
        return self._call(features, "predict")

    def _call(self, features: Any, method: str) -> Any:
        """A compiled method's result; the original's for rows left to the library."""
        matrix = numbers(features, self._header.features)
        if matrix is None or not len(matrix):
            return getattr(self._original, method)(features)
        rows = self._rounding.rows(matrix)
        others = self._left_out(rows)
        made = self._made(self._summed(rows), method)
        if method == "predict":
            made, others = self._labelled(made, others)
        made = made.astype(self._header.methods[method], copy=False)
        if others is not None and len(others):
            given = features.iloc[others] if hasattr(features, "iloc") else features[others]
            made[others] = getattr(self._original, method)(given)
        return made

    def _left_out(self, rows: np.ndarray) -> np.ndarray | None:
        """Numbers of the rows that the library gets."""
        import numpy as np

        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(rows.sum()):
                return None
        bad = np.isinf(rows) if self._header.missing else ~np.isfinite(rows)
        return np.flatnonzero(bad.any(axis=1))

    def _summed(self, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        sums = self._sums(rows)
        header = self._header
        if header.single:
            return sums
        whole: np.ndarray = sums / header.divisor + np.array(header.base)
        return whole

    def _made(self, sums: np.ndarray, method: str) -> np.ndarray:
        return self._linked(sums[:, 0])

    def _labelled(self, made: np.ndarray, others: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        return made, others

    def _linked(self, sums: np.ndarray) -> np.ndarray:
        """What one sum per row means."""
        import numpy as np

        with np.errstate(over="ignore"):
            match self._header.link:
                case "sigmoid":
                    one = sums.dtype.type(1)
                    linked: np.ndarray = one / (one + np.exp(-sums * sums.dtype.type(self._header.slope)))
                case "exponential":
                    linked = np.exp(sums)
                case _:
                    linked = sums
        return linked


class CompiledClassifier(Compiled):
    """A classifier. Where two classes are so close that the last digits decide, its label is the library's."""

    def predict_proba(self, features: Any) -> Any:
        return self._call(features, "predict_proba")

    def _made(self, sums: np.ndarray, method: str) -> np.ndarray:
        import numpy as np

        if self._header.link == "softmax":
            powers = np.exp(sums - sums.max(axis=1, keepdims=True))
            shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
            return shares
        second = self._linked(sums[:, 0])
        return np.column_stack([1 - second, second])

    def _labelled(self, made: np.ndarray, others: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        import numpy as np

        best = made.argmax(axis=1)
        ranked = made if made.shape[1] == 2 else np.partition(made, -2, axis=1)[:, -2:]
        close = np.flatnonzero(np.abs(ranked[:, 1] - ranked[:, 0]) <= _CLOSE)
        if others is not None:
            close = np.union1d(close, others)
        return np.asarray(self._original.classes_)[best], close


class CompiledBooster(CompiledClassifier):
    """A classifier that also returns its sums."""

    def decision_function(self, features: Any) -> Any:
        return self._call(features, "decision_function")

    def _made(self, sums: np.ndarray, method: str) -> np.ndarray:
        if method != "decision_function":
            return super()._made(sums, method)
        return sums if sums.shape[1] > 1 else sums[:, 0]


def numbers(features: Any, width: int) -> np.ndarray | None:
    """A matrix of float64, float32 or small integers; None if there are other values, or another number of columns."""
    import numpy as np

    if hasattr(features, "iloc"):
        if features.ndim != 2 or not all(map(is_number, features.dtypes)):
            return None
        dtypes = list(features.dtypes)
        whole = [place for place, dtype in enumerate(dtypes) if dtype.kind in "iu"]
        if whole and is_wide(features.iloc[:, whole].to_numpy()):
            return None
        features = features.to_numpy(dtype=np.float32 if set(dtypes) == {np.dtype(np.float32)} else np.float64)
    if not isinstance(features, np.ndarray) or features.ndim != 2 or features.shape[1] != width:
        return None
    if not is_number(features.dtype) or (features.dtype.kind in "iu" and is_wide(features)):
        return None
    return features if features.dtype.kind == "f" else features.astype(np.float64)


def is_number(dtype: Any) -> bool:
    """Whether it is a type of plain numbers, which NumPy holds itself."""
    import numpy as np

    return isinstance(dtype, np.dtype) and dtype.kind in "iufb" and dtype.itemsize <= 8


def is_wide(values: np.ndarray) -> bool:
    """Whether an integer is no float64, which the library may round otherwise."""
    return bool(values.size) and values.itemsize == 8 and (values.max() > _WHOLE or values.min() < -_WHOLE)
