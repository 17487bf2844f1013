"""A function that looks at its worker before it runs there."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic, TypeVar

from airflow_batchscore.errors import EngineError

R = TypeVar("R")

#: Predictions may differ, or a model not load, when these differ between the task and a worker.
_PACKAGES = ("airflow-batchscore", "scikit-learn", "numpy", "pandas", "pyarrow")


@cache
def versions_here() -> dict[str, str]:
    """Python's minor version, and those of the packages that matter."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@dataclass(frozen=True)
class Checked(Generic[R]):
    """`function`, refused on a worker that has other versions than the task. Workers may join at any time.

    Raises:
        EngineError: what differs, and where.
    """

    function: Callable[..., R]
    wanted: dict[str, str]

    @classmethod
    def of(cls, function: Callable[..., R]) -> Checked[R]:
        return cls(function, versions_here())

    def __call__(self, *arguments: Any) -> R:
        there = versions_here()
        differ = [f"{name} {there[name]} (task: {ours})" for name, ours in self.wanted.items() if there[name] != ours]
        if differ:
            raise EngineError(
                f"the worker on {platform.node()} has {', '.join(differ)}. Install there what the task has, so "
                "that scores do not depend on where they are made"
            )
        return self.function(*arguments)
