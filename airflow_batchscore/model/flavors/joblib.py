"""joblib: scikit-learn estimators, and anything else that can be pickled."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor

if TYPE_CHECKING:
    import pandas as pd


class Joblib(Flavor):
    """Serialised by joblib. A pickle: loading runs code, so only trusted bytes may get here."""

    name = "joblib"
    suffix = "joblib"
    estimators = ("sklearn",)
    reads = ("joblib", "pkl")
    exact = True

    def dump(self, estimator: object, features: pd.DataFrame) -> bytes:
        import joblib

        buffer = io.BytesIO()
        try:
            joblib.dump(estimator, buffer, compress=0)
        except Exception as error:  # pickle raises almost anything
            raise ModelError(f"{type(estimator).__name__} cannot be serialised with joblib: {error}") from error
        return buffer.getvalue()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> object:
        import joblib

        return joblib.load(io.BytesIO(data))
