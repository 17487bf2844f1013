"""skops: scikit-learn estimators, without a pickle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors.base import Flavor, need

if TYPE_CHECKING:
    import pandas as pd


class Skops(Flavor):
    """Serialised by skops: the file names its types, and only known or trusted ones are created."""

    name = "skops"
    suffix = "skops"
    libraries = ("skops",)
    reads = ("skops",)
    runs_code = False
    exact = True

    def dump(self, estimator: object, features: pd.DataFrame) -> bytes:
        skops = need("skops.io", "the skops flavour", "skops")
        try:
            return bytes(skops.dumps(estimator))
        except Exception as error:
            raise ModelError(f"{type(estimator).__name__} cannot be serialised with skops: {error}") from error

    def load(self, data: bytes, trusted_types: Sequence[str]) -> object:
        skops = need("skops.io", "the skops flavour", "skops")
        unknown = sorted(set(self.unknown_types(data)) - set(trusted_types))
        if unknown:
            raise ModelError(
                f"it holds types that nobody trusts: {', '.join(unknown)}. If they are right, add them to [batchscore] "
                "trusted_types"
            )
        return skops.loads(data, trusted=list(trusted_types))

    def unknown_types(self, data: bytes) -> Sequence[str]:
        types: Sequence[str] = need("skops.io", "the skops flavour", "skops").get_untrusted_types(data=data)
        return types
