"""What code uses without naming it: names in texts of queries, and what the user put into libraries."""

from __future__ import annotations

import functools
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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


@dataclass
class Queries:
    """What ``frame.query("a > @LIMIT")`` and ``frame.eval`` read: names in texts, wherever those come from, that pandas
    looks up where the function stands that mentions one of the two.

    Attributes:
        names: those behind an ``@`` in any text.
        places: the globals of the functions, by their id, with what messages call a function there.
    """

    names: set[str] = field(default_factory=set)
    places: dict[int, tuple[Mapping[str, Any], str]] = field(default_factory=dict)

    def text(self, text: str) -> None:
        """Note a text that code has."""
        if "@" in text:
            self.names.update(_AT.findall(text))

    def function(self, names: Names, found: Mapping[str, Any], who: str) -> None:
        """Note a function with its globals."""
        if names.mentioned & _EVALUATE:
            self.places.setdefault(id(found), (found, who))

    def merge(self, other: Queries) -> None:
        """Note what was noted elsewhere."""
        self.names |= other.names
        self.places = other.places | self.places

    def found(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Globals that may be read: of which function, name, and where they are, in the same order everywhere."""
        pairs = [(who, name, there) for there, who in self.places.values() for name in self.names if name in there]
        return sorted(pairs, key=lambda pair: (str(pair[2].get("__name__")), pair[0], pair[1]))


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
            if _is_users(there):
                yield kind, name, there


def put_on(kind: type) -> Iterator[tuple[str, Any]]:
    """What the user put onto a library's class in place of what it has."""
    for base in kind.__mro__:
        if not is_own(base.__module__):
            yield from ((name, there) for name, there in sorted(vars(base).items()) if _is_users(there))


def put_into(module: types.ModuleType, chain: Iterable[str]) -> Any:
    """What the user put into a library's module, where a chain of attributes leads to it; else None."""
    there: Any = module
    for name in chain:
        if not isinstance(there, types.ModuleType):
            break
        there = vars(there).get(name)
    return there if _is_users(there) else None


def _is_users(there: Any) -> bool:
    # Libraries make functions in modules that are nowhere.
    return any(home in sys.modules and is_own(home) for home in _homes(there))


def _homes(there: Any) -> list[str]:
    """Where a member comes from. What is no function or class is not touched: it may be a proxy of something."""
    kind = type(there)
    if kind is property:
        return _homes(there.fget)
    if kind in (staticmethod, classmethod):
        return _homes(there.__func__)
    if kind in (functools.cached_property, functools.partial, functools.partialmethod):
        return _homes(there.func)
    if kind is types.FunctionType:
        return [str(there.__globals__.get("__name__")), str(there.__module__)]
    return [str(there.__module__ if issubclass(kind, type) else kind.__module__)]
