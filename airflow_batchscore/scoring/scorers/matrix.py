"""Numbers straight from Arrow columns into the model's input matrix, without a DataFrame in between.

It applies if the recipe has no features function and every feature is a number, and only to models that gave the
same result for a matrix as for a DataFrame at training: one that picks columns by name does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.model.compiled.estimators import Compiled, is_wide
from airflow_batchscore.model.loaded import LoadedModel
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.quality import profile
from airflow_batchscore.quality.beyond import Beyond, Ranges, look
from airflow_batchscore.quality.values import of_matrix

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class MatrixInput:
    """Builds the input of one model and calls it."""

    def __init__(self, model: LoadedModel, spec: OutputSpec) -> None:
        self._model = model
        self._spec = spec
        self._names = list(model.manifest.signature.features)
        self._rowwise = _takes_float32_rows(model.estimator)

    @classmethod
    def of(cls, model: LoadedModel, spec: OutputSpec) -> MatrixInput | None:
        """None if the model needs a DataFrame."""
        signature, recipe = model.manifest.signature, model.manifest.recipe
        numbers = ("float64", "int64", "uint64", "bool")
        if recipe.features is not None or any(signature.raw.get(name) not in numbers for name in signature.features):
            return None
        is_tried = model.manifest.packages is not None and set(spec.methods) <= set(signature.matrix)
        return cls(model, spec) if is_tried else None

    def build(self, table: pa.Table) -> np.ndarray | None:
        """Rows by features; None if a value is missing, not a number, or an integer whose way to float32 matters."""
        import numpy as np
        import pyarrow.types as pt

        columns = [table.column(name) for name in self._names]
        if any(
            column.null_count or not (pt.is_floating(column.type) or pt.is_integer(column.type)) for column in columns
        ):
            return None
        shape = (len(columns), table.num_rows)
        matrix = np.empty(shape[::-1], np.float32).T if self._rowwise else np.empty(shape)
        for place, column in enumerate(columns):
            values = column.to_numpy()
            if self._rowwise and values.dtype.kind in "iu" and is_wide(values):
                return None  # libraries round such integers to float64 first, or do not
            matrix[place] = values
        return matrix.T

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Output columns of the rows."""
        return self._spec.call(self._model.estimator, inputs)

    def count(self, inputs: np.ndarray, bins: profile.Bins, ranges: Ranges) -> tuple[profile.Counts, Beyond]:
        """The profile of the rows, and what they hold beyond the training rows."""
        rows, weight = profile.sampled(len(inputs))
        # Columns that lie in one piece are copied and sorted faster.
        taken = inputs if isinstance(rows, slice) else inputs.T.take(rows, axis=1).T
        values = of_matrix(taken, self._names)
        return profile.counted(values, bins, weight), look(values, ranges, len(taken), weight)


def _takes_float32_rows(estimator: object) -> bool:
    """Whether it is a scikit-learn forest or tree, or compiled; these copy any other input to float32 rows themselves.

    All other models accept columns as they come, one after the other in memory.
    """
    if isinstance(estimator, Compiled):
        return estimator.takes_float32_rows
    module = type(estimator).__module__
    return (
        module in ("sklearn.ensemble._forest", "sklearn.tree._classes") and "Embedding" not in type(estimator).__name__
    )
