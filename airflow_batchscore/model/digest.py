"""The digest of what a function really reaches, computed from loaded code and never from source files.

A worker's file can be newer than the code it has loaded. See docs/models.md, "What counts as code", for what is
included.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from airflow_batchscore.model.reach import Reach
from airflow_batchscore.model.watched import Watched


@dataclass
class _Known:
    """A digest computed before the first call of the function, so that what it fills while running does not count."""

    thing: object
    digest: str
    watched: Watched


#: The most recently used digests. A long-lived worker unpickles a function again for every changed DAG file.
_known: OrderedDict[int, _Known] = OrderedDict()
_MOST_KNOWN = 256
_lock = threading.RLock()


def code_digest(thing: object, name: str) -> str:
    """SHA-256 of all that a function, class or callable object reaches; identical in every process with this code.

    Computed once, so values that the code fills while it runs (a cache) do not change it.

    Raises:
        RecipeError: a value that it uses cannot be written identically in every process.
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


def value_digest(value: object, name: str) -> str:
    """SHA-256 of a value's current state, with the code of its classes. Raises RecipeError like `code_digest`."""
    return Reach(name).digest(value)


def check(thing: object, name: str) -> None:
    """Raise what `code_digest` would, as far as this can be determined without importing anything."""
    Reach(name, importing=False).digest(thing)
