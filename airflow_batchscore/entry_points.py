"""What other packages add: storage drivers, file formats, flavours and outputs, by entry point. One rule for all.

A name of this package cannot be replaced, a name that two packages claim is refused when it is used, and an entry
point that cannot be used is an error that names its package. What it is called is its entry point's name: nothing is
imported to find it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

from airflow_batchscore.errors import BatchScoreError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Door(Generic[T]):
    """A kind of thing that other packages add.

    Attributes:
        group: of its entry points, such as ``airflow_batchscore.storage``.
        base: the abstract class that each of them derives from.
        error: raised for one that cannot be used.
        own: names that belong to this package; an entry point with one of them is ignored, and the log says so.
        choice: what to do about a name that several packages claim, for messages.
    """

    group: str
    base: type[T]
    error: type[BatchScoreError]
    own: frozenset[str]
    choice: str = "uninstall all but one"

    def offered(self) -> Mapping[str, Sequence[EntryPoint]]:
        """The entry points of installed packages, by name; of equal ones, one."""
        return _offered(self.group, self.own, tuple(sys.path))

    def suffix_of(self, uri: str) -> str | None:
        """The longest name that `uri` ends with, for doors whose names are suffixes; None if there is none.

        Raises:
            error: the name does not begin with a dot.
        """
        fitting = [name for name in self.offered() if uri.endswith(f".{name.removeprefix('.')}")]
        suffix = max(fitting, key=len, default=None)
        if suffix is not None and not suffix.startswith("."):
            point = self.offered()[suffix][0]
            raise self.error(
                f"{uri}: the package {package_of(point)} registers {point.value} as {suffix!r}, which is not a suffix. "
                f"Its entry point must be named {f'.{suffix}'!r}; correct or uninstall the package"
            )
        return suffix

    def make(self, name: str, what: str, *arguments: object) -> T:
        """What the package that offers `name` adds: an object of `base`, or of the class that derives from it.

        Args:
            what: such as ``the storage driver of hdfs://``, for messages.
            arguments: with which it is made.

        Raises:
            error: several packages claim the name, or it cannot be imported or made.
        """
        points = self.offered()[name]
        if len(points) > 1:
            claims = ", ".join(f"{point.value} of {package_of(point)}" for point in points)
            raise self.error(f"{what}: several packages offer it ({claims}); {self.choice}")
        return self.make_from(points[0], what, *arguments)

    def make_from(self, point: EntryPoint, what: str, *arguments: object) -> T:
        """`make`, for one entry point."""
        try:
            value = point.load()
        except Exception as problem:  # another package's code may raise anything
            raise self.error(
                f"{what} cannot be imported from {point.value} of the package {package_of(point)}: "
                f"{type(problem).__name__}: {problem}"
            ) from problem
        return self.require(value, f"{what}: {point.value} of the package {package_of(point)}", *arguments)

    def require(self, value: object, source: str, *arguments: object) -> T:
        """`value` if it is an object of `base`; an object of it if it is a class. Nothing else is called.

        Raises:
            error: it is neither, or cannot be made; the message begins with `source`.
        """
        if isinstance(value, self.base) and not arguments:
            return value
        if not isinstance(value, type) or not issubclass(value, self.base):
            raise self.error(f"{source} is not a class that derives from {self.base.__name__}")
        try:
            return value(*arguments)
        except BatchScoreError:
            raise
        except Exception as problem:  # another package's code may raise anything
            raise self.error(f"{source} cannot be made: {type(problem).__name__}: {problem}") from problem


def package_of(point: EntryPoint) -> str:
    """The package that offers it, for messages."""
    return point.dist.name if point.dist else "?"


@cache
def _offered(group: str, own: frozenset[str], path: tuple[str, ...]) -> Mapping[str, Sequence[EntryPoint]]:
    """Cached for a `path` because it reads the metadata of every installed package."""
    from importlib.metadata import entry_points  # not while a DAG file is parsed

    points: dict[str, dict[str, EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        if point.name in own:
            log.warning(
                "the entry point %s = %s of the package %s is ignored: the name belongs to airflow-batchscore. "
                "Uninstall the package if you do not know why it claims the name",
                *(point.name, point.value, package_of(point)),
            )
        else:
            points.setdefault(point.name, {})[point.value] = point
    return {name: list(by_value.values()) for name, by_value in points.items()}
