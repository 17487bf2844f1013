"""What code uses without naming it: names in query strings, and what users add to libraries."""

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

#: A name in a query: ``a > @K``, ``a in@K``, ``a > @ K``; not part of an e-mail address.
_AT = re.compile(r"(?:(?<![\w.@])|(?<=\bin)|(?<=\bor)|(?<=\band)|(?<=\bnot))@\s*([^\W\d]\w*)")
_EVALUATE = {"query", "eval"}
_CLASSES = {
    "pandas": ("DataFrame", "Series", "Index"),
    "pandas.core.generic": ("NDFrame",),
    "pandas.core.groupby.generic": ("DataFrameGroupBy", "SeriesGroupBy"),
    "pandas.core.groupby.groupby": ("GroupBy", "BaseGroupBy"),
}


@dataclass
class Queries:
    """What ``frame.query("a > @LIMIT")`` and ``frame.eval`` read: names in strings from any source, which pandas looks
    up in the scope of the function that mentions either method.

    Attributes:
        names: the names after an ``@`` in any string.
        places: the functions' globals by id, each with the name of a function there for messages.
    """

    names: set[str] = field(default_factory=set)
    places: dict[int, tuple[Mapping[str, object], str]] = field(default_factory=dict)

    def text(self, text: str) -> None:
        """Record a string used in code."""
        if "@" in text:
            self.names.update(_AT.findall(text))

    def function(self, names: Names, namespace: Mapping[str, object], who: str) -> None:
        """Record a function with its globals."""
        if names.mentioned & _EVALUATE:
            self.places.setdefault(id(namespace), (namespace, who))

    def merge(self, other: Queries) -> None:
        """Add another object's records."""
        self.names |= other.names
        self.places = other.places | self.places

    def found(self) -> list[tuple[str, str, Mapping[str, object]]]:
        """Globals that may be read: function, name, and namespace, in the same order everywhere."""
        pairs = [
            (who, name, namespace)
            for namespace, who in self.places.values()
            for name in self.names
            if name in namespace
        ]
        return sorted(pairs, key=lambda pair: (str(pair[2].get("__name__")), pair[0], pair[1]))


def put_on_pandas(attributes: Iterable[str]) -> Iterator[tuple[type, str, object]]:
    """The user's own accessors and methods of the given names on pandas classes: class, name and object."""
    classes = [
        kind
        for module, kinds in _CLASSES.items()
        for kind in (getattr(sys.modules.get(module), name, None) for name in kinds)
        if isinstance(kind, type)
    ]
    for name in sorted(attributes):
        for kind in classes:
            member = vars(kind).get(name)
            member = getattr(member, "_accessor", member)
            if _is_users(member):
                yield kind, name, member


def put_on(kind: type) -> Iterator[tuple[str, object]]:
    """What the user has replaced on a library's class."""
    for base in kind.__mro__:
        if not is_own(base.__module__):
            yield from ((name, member) for name, member in sorted(vars(base).items()) if _is_users(member))


def put_into(module: types.ModuleType, chain: Iterable[str]) -> object:
    """What the user has put into a library's module at the end of an attribute chain, else None."""
    member: object = module
    for name in chain:
        if not isinstance(member, types.ModuleType):
            break
        member = vars(member).get(name)
    return member if _is_users(member) else None


def _is_users(member: object) -> bool:
    # Libraries create functions in modules that do not exist.
    return any(home in sys.modules and is_own(home) for home in _homes(member))


def _homes(member: Any) -> list[str]:
    """Where a member comes from. Only functions and classes are touched: anything else may be a proxy."""
    kind = type(member)
    if kind is property:
        return _homes(member.fget)
    if kind in (staticmethod, classmethod):
        return _homes(member.__func__)
    if kind in (functools.cached_property, functools.partial, functools.partialmethod):
        return _homes(member.func)
    if kind is types.FunctionType:
        return [str(member.__globals__.get("__name__")), str(member.__module__)]
    return [str(member.__module__ if issubclass(kind, type) else kind.__module__)]
