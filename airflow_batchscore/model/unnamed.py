"""What code uses without naming it as a global: names in texts of queries, and what was put onto pandas' classes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_batchscore.model.bytecode import Names
from airflow_batchscore.model.packages import is_own

_AT = re.compile(r"(?<![\w.@])@([^\W\d]\w*)")  # not that of an e-mail address
_EVALUATE = {"query", "eval"}
_CLASSES = {
    "pandas": ("DataFrame", "Series", "Index"),
    "pandas.core.generic": ("NDFrame",),
    "pandas.core.groupby.generic": ("DataFrameGroupBy", "SeriesGroupBy"),
    "pandas.core.groupby.groupby": ("GroupBy", "BaseGroupBy"),
}


def queried(names: Names, found: Mapping[str, Any]) -> list[str]:
    """Globals in `found` that ``frame.query("a > @LIMIT")`` and ``frame.eval`` read, in texts of the code or in globals
    that are texts.
    """
    if not names.mentioned & _EVALUATE:
        return []
    texts = [*names.texts, *(text for name in names.read if isinstance(text := found.get(name), str))]
    return sorted({name for text in texts for name in _AT.findall(text) if name in found})


def put_on_pandas(attributes: Iterable[str]) -> Iterator[tuple[type, str, Any]]:
    """Accessors and methods of the user's own on classes of pandas, of the names given: class, name and what it is."""
    classes = [
        kind
        for module, kinds in _CLASSES.items()
        for kind in (getattr(sys.modules.get(module), name, None) for name in kinds)
        if isinstance(kind, type)
    ]
    for name in sorted(attributes):
        for kind in classes:
            there = vars(kind).get(name)
            there = getattr(there, "_accessor", there)
            if there is not None and is_own(_home(there)):
                yield kind, name, there


def _home(there: Any) -> str:
    for inside in ("fget", "__func__", "func", "__wrapped__"):
        there = getattr(there, inside, None) or there
    found = getattr(there, "__globals__", {}).get("__name__") or getattr(there, "__module__", None)
    return str(found or type(there).__module__)
