"""What each kind of model must provide to become an artifact."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from airflow_batchscore.errors import ModelError

if TYPE_CHECKING:
    from types import ModuleType

    import pandas as pd
    from sklearn.utils import Tags


@dataclass(frozen=True)
class TrainedWith:
    """The environment that a model was trained in, as its maker recorded it.

    Attributes:
        python: version of Python; None if it is not recorded.
        requirements: lines for pip.
    """

    python: str | None
    requirements: Sequence[str]

    @property
    def versions(self) -> dict[str, str]:
        """Package -> version, of those that were pinned for a Python such as this."""
        found: dict[str, str] = {}
        for line in self.requirements:
            try:
                requirement = Requirement(line.partition(" #")[0].partition(" --hash")[0])
            except InvalidRequirement:  # an option, or a path
                continue
            if requirement.marker is None or requirement.marker.evaluate():
                pins = [pin.version for pin in requirement.specifier if pin.operator == "=="]
                found.update({canonicalize_name(requirement.name): pin for pin in pins if not pin.endswith(".*")})
        return found


class Flavor(ABC):
    """A way to serialise an estimator. Its class says everything that the package needs to know about it.

    Attributes:
        name: as users and ``model.json`` write it. A third party's flavour is stored by its import path instead.
        suffix: file suffix of the estimator, without the dot.
        libraries: distributions whose versions are stored with the model.
        estimators: import names of the libraries whose estimators ``flavor="auto"`` stores in this flavour.
        reads: suffixes of files made elsewhere that `ImportModelOperator` recognises as this flavour.
        runs_code: whether loading can run code contained in the bytes. True unless the class itself says False: a
            subclass may load differently, so it does not inherit that.
        names_classes: whether the bytes refer to the user's own classes, whose code is then part of the model.
        exact: whether the bytes keep every number exactly. Other flavours may calculate in float32.
    """

    name: str
    suffix: str
    libraries: tuple[str, ...] = ()
    estimators: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    runs_code: bool = True
    names_classes: bool = True
    exact: bool = False

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.runs_code = vars(cls).get("runs_code") is not False

    @abstractmethod
    def dump(self, estimator: object, features: pd.DataFrame) -> bytes:
        """The fitted estimator's bytes. `features` are some of the rows it was fitted on.

        Raises ModelError if the estimator does not belong to this flavour.
        """

    @abstractmethod
    def load(self, data: bytes, trusted_types: Sequence[str]) -> object:
        """An object with the methods used for scoring. `trusted_types` are those of `Trust`, see `unknown_types`."""

    def takes(self, estimator: object) -> bool:
        """Whether ``flavor="auto"`` stores the estimator in this flavour: its class is one of a library's own.

        Not a user's subclass of one: the library's format would lose what it adds.
        """
        return library_of(type(estimator)) in self.estimators

    def unknown_types(self, data: bytes) -> Sequence[str]:
        """Types in the bytes that `load` only creates if they are among its `trusted_types`."""
        return ()

    def named_code(self, estimator: object) -> Sequence[str]:
        """Import paths of functions that the bytes refer to, whose code is then part of the model."""
        return ()

    def trained_with(self, data: bytes) -> TrainedWith | None:
        """What the bytes say of the environment that the model was trained in; None if nothing. Loads nothing."""
        return None


def library_of(kind: type) -> str:
    """Import name of the library that defines a class."""
    return kind.__module__.partition(".")[0]


def tags(kind: str | None) -> Tags:
    """What scikit-learn's metrics ask of a third-party estimator: ``classifier``, ``regressor``, None."""
    from sklearn.utils import Tags, TargetTags

    return Tags(estimator_type=kind, target_tags=TargetTags(required=False))


def need(module: str, what: str, extra: str) -> ModuleType:
    """Import the module. Raises ModelError naming the extra to install if it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ModelError(
            f"{what} needs {module.partition('.')[0]}, which is not installed here ({error}): "
            f"pip install 'airflow-batchscore[{extra}]', on the workers too"
        ) from error
