"""What a kind of model needs to become an artifact."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from airflow_batchscore.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd


@runtime_checkable
class Flavor(Protocol):
    """A way to write an estimator down.

    Attributes:
        name: as it stands in ``model.json``.
        suffix: of the estimator's file.
        libraries: distributions whose versions are kept with the model.

    A flavour whose bytes cannot hold code may say ``runs_code = False``; see `runs_code`.
    """

    name: str
    suffix: str
    libraries: tuple[str, ...]

    def dump(self, estimator: Any, features: pd.DataFrame) -> bytes:
        """The fitted estimator's bytes. `features` are some rows that it was fitted on.

        Raises ModelError when the estimator is not one of this flavour.
        """
        ...

    def load(self, data: bytes, trusted_types: Sequence[str]) -> Any:
        """An object with the methods that can be scored with. `trusted_types` matter to skops."""
        ...


def runs_code(kind: Flavor) -> bool:
    """Whether loading can run code that is in the bytes: so it is of every flavour that does not say otherwise."""
    return getattr(kind, "runs_code", True) is not False


def tags(kind: str | None) -> Any:
    """What scikit-learn's metrics ask of an estimator that is none of its own: ``classifier``, ``regressor``, None."""
    from sklearn.utils import Tags, TargetTags

    return Tags(estimator_type=kind, target_tags=TargetTags(required=False))


def need(module: str, what: str, extra: str) -> Any:
    """The module. Raises ModelError that names the extra to install when it is not there."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ModelError(
            f"{what} needs {module.partition('.')[0]}, which is not installed here ({error}): "
            f"pip install 'airflow-batchscore[{extra}]', on the workers too"
        ) from error
