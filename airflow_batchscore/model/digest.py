"""The digest of what a function really reaches, taken from what is loaded and never from source files.

A worker's file can be newer than the code that it has loaded. What counts stands in docs/models.md, "What counts as
code".
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from airflow_batchscore.model.reach import Reach
from airflow_batchscore.model.watched import Watched


@dataclass
class _Known:
    """A digest that was taken before anybody called the function: what it fills while it runs does not count."""

    thing: Any
    digest: str
    watched: Watched


#: The ones used last. A long-lived worker unpickles a function again for every DAG file that has changed.
_known: OrderedDict[int, _Known] = OrderedDict()
_MOST_KNOWN = 256
_lock = threading.RLock()


def code_digest(thing: Any, name: str) -> str:
    """SHA-256 of all that a function, class or callable object reaches; the same in every process that has this code.

    It is taken once, so that values which the code fills while it runs (a cache) do not change it.

    Raises:
        RecipeError: a value that it uses cannot be written the same way in every process.
    """
    with _lock:
        known = _known.get(id(thing))
        if known is None or known.thing is not thing or not known.watched.is_current():
            reach = Reach(name)
            known = _Known(thing, reach.digest(thing), reach.watched)
            _known[id(thing)] = known
            if len(_known) > _MOST_KNOWN:
                _known.popitem(last=False)
        _known.move_to_end(id(thing))
        return known.digest


def value_digest(value: Any, name: str) -> str:
    """SHA-256 of a value as it is now, with the code of its classes. Raises RecipeError like `code_digest`."""
    return Reach(name).digest(value)


def check(thing: Any, name: str) -> None:
    """Raise what `code_digest` would, as far as it shows without importing anything."""
    Reach(name, importing=False).digest(thing)
