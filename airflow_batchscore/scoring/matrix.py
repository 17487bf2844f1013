"""Numbers straight from Arrow columns into the model's input matrix, without a DataFrame in between.

It applies when the recipe has no features function and every feature is a number, and only to models for which a trial
on made-up rows gives the same with a matrix as with a DataFrame: one that picks columns by name does not.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airflow_batchscore.model.artifact import LoadedModel
from airflow_batchscore.model.outputs import output_columns
from airflow_batchscore.quality import profile

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_TRIAL_ROWS = 64
_trials: dict[tuple[str, str], bool] = {}
_trying = threading.Lock()


class MatrixInput:
    """Builds the input of one model and calls it."""

    def __init__(self, model: LoadedModel, method: str) -> None:
        self._model = model
        self._method = method
        self._names = list(model.manifest.signature.features)

    @classmethod
    def of(cls, model: LoadedModel, method: str) -> MatrixInput | None:
        """None when the model needs a DataFrame. The trial is made once a process."""
        signature, recipe = model.manifest.signature, model.manifest.recipe
        numbers = ("float64", "int64", "bool")
        if recipe.features is not None or any(signature.raw.get(name) not in numbers for name in signature.features):
            return None
        key = (model.ref.digest, method)
        with _trying:
            if key not in _trials:
                _trials[key] = _gives_the_same(model, method)
        return cls(model, method) if _trials[key] else None

    def build(self, table: pa.Table) -> np.ndarray | None:
        """Rows by features, column by column in memory; None when a value is missing or not a number."""
        import numpy as np
        import pyarrow.types as pt

        columns = [table.column(name) for name in self._names]
        if any(
            column.null_count or not (pt.is_floating(column.type) or pt.is_integer(column.type)) for column in columns
        ):
            return None
        matrix = np.empty((len(columns), table.num_rows))
        for place, column in enumerate(columns):
            matrix[place] = column.to_numpy()
        return matrix.T

    def predict(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Output columns of the rows."""
        values = getattr(self._model.estimator, self._method)(inputs)
        return output_columns(self._model.estimator, values, self._method)

    def count(self, inputs: np.ndarray, bins: profile.Bins) -> profile.Counts:
        """The profile of the rows."""
        return profile.count_matrix(inputs[profile.sample_rows(len(inputs))], self._names, bins)


def _gives_the_same(model: LoadedModel, method: str) -> bool:
    import numpy as np
    import pandas as pd

    names = list(model.manifest.signature.features)
    inputs = np.random.default_rng(0).normal(size=(len(names), _TRIAL_ROWS)).T
    call: Any = getattr(model.estimator, method)
    try:
        with_names, without = call(pd.DataFrame(inputs, columns=names)), call(inputs)
    except Exception:  # whatever a model raises that cannot do without names
        return False
    return bool(np.array_equal(np.asarray(with_names), np.asarray(without)))
