"""Flavours: how estimators are serialised and loaded. The digest is checked before `load` sees the bytes.

Each module here defines one flavour. Installed packages offer more by entry points of the group `GROUP`.
"""

from __future__ import annotations

import copy
import inspect
import logging
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, TypeGuard

from airflow_batchscore.entry_points import Door, package_of
from airflow_batchscore.errors import ModelError, RecipeError, said
from airflow_batchscore.model.flavors.base import Flavor
from airflow_batchscore.model.functions import import_path

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "Flavor", "flavor", "flavor_of", "flavor_of_file"]

GROUP = "airflow_batchscore.flavors"
_AUTO = "auto"

log = logging.getLogger(__name__)


def flavor(name: str) -> Flavor:
    """The flavour called `name`, or the one at the import path ``"package.module:name"``.

    A name means this package's own flavour if there is one, and an installed package's entry point otherwise. The
    latter is the same as its import path, which is also what ``model.json`` records: loading a model depends on no
    entry point.

    Raises:
        ModelError: no flavour has this name, several packages offer one, or it cannot be imported or made.
    """
    if ":" in name:
        return _at(name)
    if name in _own():
        return _own()[name]
    door = _door()
    if name not in door.offered():
        known = ", ".join((_AUTO, *_own(), *door.offered()))
        raise ModelError(f"flavour {name!r} is unknown; there are {known}, or give the import path of one")
    return _stored_as(_path_of(door.offered()[name][0]), door.make(name, f"the flavour {name!r}"))


def flavor_of(estimator: object, name: str) -> Flavor:
    """`flavor`; ``"auto"`` chooses by the estimator's class, with joblib for all that no other flavour takes.

    Raises:
        ModelError: as `flavor`, or several packages' flavours take the estimator.
    """
    if name != _AUTO:
        return flavor(name)
    return _chosen(lambda kind: kind.takes(estimator), f"the estimator {type(estimator).__name__}") or flavor("joblib")


def flavor_of_file(uri: str) -> Flavor | None:
    """The flavour that reads a file with this suffix; None if there is none.

    Raises:
        ModelError: several packages' flavours read it.
    """
    return _chosen(lambda kind: uri.endswith(tuple(f".{suffix}" for suffix in kind.reads)), uri)


def _chosen(fits: Callable[[Flavor], bool], what: str) -> Flavor | None:
    """This package's own flavour that fits, or else the one that an installed package offers."""
    for kind in _own().values():
        if fits(kind):
            return kind
    fitting = list(_offered_that(fits, what))
    if len(fitting) > 1:
        names = ", ".join(kind.name for kind in fitting)
        raise ModelError(f"{what}: several flavours of installed packages claim it ({names}). Choose one with flavor=")
    return fitting[0] if fitting else None


def _offered_that(fits: Callable[[Flavor], bool], what: str) -> Iterator[Flavor]:
    """The fitting flavours of installed packages; those that cannot be used are left out, and the log names them."""
    door = _door()
    for name, points in door.offered().items():
        for point in points:
            try:
                kind = _stored_as(_path_of(point), door.make_from(point, f"the flavour {name!r}"))
                fitting = fits(kind)
            except Exception as error:  # another package's code may raise anything
                log.warning(
                    "%s: the flavour %r of the package %s cannot be asked whether it fits: %s. Another is chosen; "
                    "fix or uninstall the package",
                    *(what, name, package_of(point), said(error)),
                )
                continue
            if fitting:
                yield kind


@cache
def _own() -> Mapping[str, Flavor]:
    """Name -> flavour, for the modules of this package."""
    kinds: dict[str, Flavor] = {}
    for info in pkgutil.iter_modules(__path__, f"{__name__}."):
        values = vars(import_module(info.name)).values()
        kinds |= {kind.name: kind() for kind in values if _is_flavor(kind) and kind.__module__ == info.name}
    return kinds


def _is_flavor(value: object) -> TypeGuard[type[Flavor]]:
    return inspect.isclass(value) and issubclass(value, Flavor) and not inspect.isabstract(value)


def _door() -> Door[Flavor]:
    choice = "give flavor= the import path of one"
    return Door(GROUP, Flavor, ModelError, frozenset((_AUTO, *_own())), choice)  # type: ignore[type-abstract]


def _at(path: str) -> Flavor:
    """A third party's flavour, named by its import path so that workers can find it."""
    try:
        value = import_path(path)
    except RecipeError as error:
        raise ModelError(f"the flavour {error}") from error
    return _stored_as(path, _door().require(value, f"the flavour {path}"))


def _path_of(point: EntryPoint) -> str:
    return f"{point.module}:{point.attr}"


def _stored_as(path: str, kind: Flavor) -> Flavor:
    """The flavour under its import path, which is what ``model.json`` records."""
    stored = copy.copy(kind)
    try:
        object.__setattr__(stored, "name", path)  # also of a frozen dataclass
    except AttributeError as error:
        raise ModelError(f"the flavour {path}: its name must be an attribute of its class, not a property") from error
    return stored
