"""The digest of what a function really reaches, taken from what is loaded and never from source files.

A worker's file can be newer than the code that it has loaded. What counts stands in docs/models.md, "What counts as
code".
"""

from __future__ import annotations

import threading
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_batchscore.model.reach import Reach


@dataclass
class _Known:
    """A digest that was taken before anybody called the function: what it fills while it runs does not count."""

    thing: Any
    digest: str
    looked_up: list[tuple[Mapping[str, Any], str, Any]]
    compiled: list[tuple[types.FunctionType, types.CodeType]]

    def is_current(self, thing: Any) -> bool:
        """Whether no code that it reaches was loaded again since, as a notebook does."""
        return (
            self.thing is thing
            and all(names.get(name) is there for names, name, there in self.looked_up)
            and all(function.__code__ is code for function, code in self.compiled)
        )


_known: dict[int, _Known] = {}
_lock = threading.RLock()


def code_digest(thing: Any, name: str) -> str:
    """SHA-256 of all that a function, class or callable object reaches; the same in every process that has this code.

    It is taken once, so that values which the code fills while it runs (a cache) do not change it.

    Raises:
        RecipeError: a value that it uses cannot be written the same way in every process.
    """
    with _lock:
        known = _known.get(id(thing))
        if known is None or not known.is_current(thing):
            reach = Reach(name)
            known = _Known(thing, reach.digest(thing), reach.looked_up, reach.compiled)
            _known[id(thing)] = known
        return known.digest


def value_digest(value: Any, name: str) -> str:
    """SHA-256 of a value as it is now, with the code of its classes. Raises RecipeError like `code_digest`."""
    return Reach(name).digest(value)


def check(thing: Any, name: str) -> None:
    """Raise what `code_digest` would, as far as it shows without importing anything."""
    Reach(name, importing=False).digest(thing)
