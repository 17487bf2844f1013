"""A function that checks its worker before it runs there."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Generic, TypeVar

from airflow_batchscore.errors import EngineError

R = TypeVar("R")

#: If these differ between the task and a worker, predictions may differ or a model may not load.
_PACKAGES = ("airflow-batchscore", "scikit-learn", "numpy", "pandas", "pyarrow")


@cache
def versions_here() -> dict[str, str]:
    """Python's minor version and the versions of the packages that matter."""
    versions = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


@dataclass(frozen=True)
class Checked(Generic[R]):
    """`function`, refused on a worker whose versions differ from the task's. Workers may join at any time.

    Raises:
        EngineError: what differs, and where.
    """

    function: Callable[..., R]
    wanted: dict[str, str]

    @classmethod
    def of(cls, function: Callable[..., R]) -> Checked[R]:
        return cls(function, versions_here())

    def __call__(self, *arguments: object) -> R:
        have = versions_here()
        differ = [f"{name} {have[name]} (task: {ours})" for name, ours in self.wanted.items() if have[name] != ours]
        if differ:
            raise EngineError(
                f"the worker on {platform.node()} has {', '.join(differ)}. Install there what the task has, so "
                "that scores do not depend on where they are made"
            )
        return self.function(*arguments)
