"""Flavours: how an estimator becomes bytes and comes back. The digest is checked before `load` sees them."""

from __future__ import annotations

import io
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

    def load(self, data: bytes) -> Any: ...


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

    def load(self, data: bytes) -> Any:
        import joblib

        return joblib.load(io.BytesIO(data))


_FLAVORS: dict[str, Flavor] = {"joblib": Joblib()}


def flavor(name: str) -> Flavor:
    """The flavour called `name`; ``"auto"`` is joblib, which takes every scikit-learn estimator."""
    found = _FLAVORS.get("joblib" if name == "auto" else name)
    if found is None:
        raise ModelError(f"flavour {name!r} is unknown; there are auto, {', '.join(_FLAVORS)}")
    return found
