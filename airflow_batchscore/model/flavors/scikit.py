"""scikit-learn estimators, and whatever can be pickled: joblib and skops."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need

if TYPE_CHECKING:
    import pandas as pd


class Joblib(Flavor):
    """By joblib. A pickle: loading runs code, so only trusted bytes may come here."""

    name = "joblib"
    suffix = "joblib"
    libraries = ()

    def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
        import joblib

        buffer = io.BytesIO()
        try:
            joblib.dump(estimator, buffer, compress=0)
        except Exception as error:  # pickle raises almost anything
            raise ModelError(f"{type(estimator).__name__} cannot be serialised with joblib: {error}") from error
        return buffer.getvalue()

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        import joblib

        return joblib.load(io.BytesIO(data))


class Skops(Flavor):
    """By skops: types are named in the file, and only known or trusted ones are made."""

    name = "skops"
    suffix = "skops"
    libraries = ("skops",)
    runs_code = False

    def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
        skops = need("skops.io", "the skops flavour", "skops")
        try:
            return bytes(skops.dumps(estimator))
        except Exception as error:
            raise ModelError(f"{type(estimator).__name__} cannot be serialised with skops: {error}") from error

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        skops = need("skops.io", "the skops flavour", "skops")
        unknown = sorted(set(skops.get_untrusted_types(data=data)) - set(trusted_types))
        if unknown:
            raise ModelError(
                f"it holds types that nobody trusts: {', '.join(unknown)}. If they are right, add them to [batchscore] "
                "trusted_types"
            )
        return skops.loads(data, trusted=list(trusted_types))
