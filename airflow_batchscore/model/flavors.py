"""Flavours: how an estimator becomes bytes and comes back. The digest is checked before `load` sees them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_batchscore.errors import ModelError


class Flavor(Protocol):
    """What a kind of model needs to become an artifact."""

    @property
    def name(self) -> str: ...

    @property
    def suffix(self) -> str:
        """Of the estimator's file."""
        ...

    def dump(self, estimator: Any) -> bytes: ...

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        """The estimator. `trusted_types` matter to flavours that do not run what they load."""
        ...


@dataclass(frozen=True)
class Joblib:
    """scikit-learn estimators by joblib. A pickle: loading runs code, so only trusted bytes may come here."""

    name: str = "joblib"
    suffix: str = "joblib"

    def dump(self, estimator: Any) -> bytes:
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


@dataclass(frozen=True)
class Skops:
    """scikit-learn estimators by skops: types are named in the file, and only known or trusted ones are made."""

    name: str = "skops"
    suffix: str = "skops"

    def dump(self, estimator: Any) -> bytes:
        return bytes(_skops().dumps(estimator))

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        io_ = _skops()
        unknown = sorted(set(io_.get_untrusted_types(data=data)) - set(trusted_types))
        if unknown:
            raise ModelError(
                f"it holds types that nobody trusts: {', '.join(unknown)}. If they are right, add them to [batchscore] "
                "trusted_types"
            )
        return io_.loads(data, trusted=list(trusted_types))


def _skops() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise ModelError("the skops flavour needs skops: pip install 'airflow-batchscore[skops]'") from error
    return skops.io


_FLAVORS: dict[str, Flavor] = {"joblib": Joblib(), "skops": Skops()}


def flavor(name: str) -> Flavor:
    """The flavour called `name`; ``"auto"`` is joblib, which takes every scikit-learn estimator."""
    found = _FLAVORS.get("joblib" if name == "auto" else name)
    if found is None:
        raise ModelError(f"flavour {name!r} is unknown; there are auto, {', '.join(_FLAVORS)}")
    return found
