"""What code reaches: the loaded functions, classes, modules and values that decide what it does."""

from __future__ import annotations

import builtins
import functools
import os
import sys
import types
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_batchscore.model import bytecode, unnamed
from airflow_batchscore.model.members import SET_BY_PYTHON, members
from airflow_batchscore.model.modules import Modules
from airflow_batchscore.model.packages import built, file_of, is_own, readable
from airflow_batchscore.model.watched import Watched

_BUILT_IN = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_LRU_CACHE = type(functools.lru_cache(int))


@dataclass
class Reach(Modules):
    """Writes what code reaches: functions, classes and modules by number, each defined once, in the order needed.

    Attributes:
        name: of the digested object, for messages.
        importing: whether to import modules that functions will import when called, and to look up versions; otherwise
            only loaded code is inspected.
        inside: ids of sets that are being written.
    """

    name: str
    importing: bool = True
    inside: frozenset[int] = frozenset()
    watched: Watched = field(default_factory=Watched)

    def __post_init__(self) -> None:
        super().__init__()
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []  # so that no id is reused
        self._waiting: deque[object] = deque()
        self._queries = unnamed.Queries()
        self._queried: set[tuple[int, str]] = set()
        self.who = self.name

    def digest(self, value: object) -> str:
        """Write `value` and everything that it reaches."""
        self.value(value)
        while self._waiting or self.inner() or self._in_queries():
            if self._waiting:
                self._define(self._waiting.popleft())
        return self.hexdigest()

    def alone(self, value: object, container: object) -> str:
        if id(container) in self.inside:
            return "inside"
        apart = Reach(self.name, self.importing, self.inside | {id(container)}, self.watched)
        apart.who, apart.here = self.who, self.here
        digest = apart.digest(value)
        self._queries.merge(apart._queries)
        return digest

    def _text(self, value: str) -> None:
        self._queries.text(value)
        super()._text(value)

    def _in_queries(self) -> bool:
        """Write the globals named in query strings, as far as code is known. Returns whether there were any."""
        new = [query for query in self._queries.found() if (id(query[2]), query[1]) not in self._queried]
        for who, name, names in new:
            self.who = who
            self._queried.add((id(names), name))
            self._global(names, name, {()})
        return bool(new)

    def reference(self, value: object) -> bool:
        if isinstance(value, (types.FunctionType, type)):
            self._number(value)
        elif isinstance(value, types.ModuleType):
            if is_own(value.__name__):
                self._number(value)
            else:
                self.emit("module", self._label(value.__name__) + value.__name__)
        elif isinstance(value, types.MethodType):
            self.emit("method")
            self.value(value.__func__)
            self.value(value.__self__)
        elif isinstance(value, _BUILT_IN):
            self._built_in(value)
        else:
            return self._wrapper(value)
        return True

    def _wrapper(self, value: object) -> bool:
        if isinstance(value, (staticmethod, classmethod)):
            parts: list[object] = [value.__func__]
        elif isinstance(value, property):
            parts = [value.fget, value.fset, value.fdel]
        elif isinstance(value, functools.cached_property):
            parts = [value.func]
        elif isinstance(value, _LRU_CACHE):
            parts = [value.__wrapped__]
        else:
            return False
        self.emit(type(value).__name__)
        self.value(parts)
        return True

    def _number(self, value: object) -> None:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._numbers)
            self._kept.append(value)
            self._waiting.append(value)
        self.emit("number", str(number))

    def _built_in(self, value: Any) -> None:
        owner = getattr(value, "__objclass__", None) or getattr(value, "__self__", None)
        module = getattr(value, "__module__", None)
        self.emit("built in", value.__name__)
        if isinstance(owner, types.ModuleType) or owner is None:
            self.value(owner or (sys.modules.get(module) if module else None))
        else:
            self.value(owner)

    def _define(self, value: Any) -> None:
        home = value.__globals__.get("__name__") if isinstance(value, types.FunctionType) else None
        module = str(home or getattr(value, "__module__", None) or value.__name__)
        shown = getattr(value, "__qualname__", value.__name__)
        name = readable(module)
        self.who = shown if shown == name else f"{name}:{shown}"
        self.here = _folder(value, module)
        if isinstance(value, types.ModuleType):
            self.as_value(value)
        elif not is_own(module) and not _is_astray(value, module):
            code = getattr(value, "__code__", None)
            self.emit("installed", f"{self._label(module)}{module}:{code.co_qualname if code else value.__qualname__}")
            if code and value.__closure__:  # a decorator's, around a user's function
                self._cells(value)
                self.attributes(vars(value))
            for name, member in unnamed.put_on(value) if isinstance(value, type) else ():
                self.emit("put on", name)
                self.value(member)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        else:
            self._class(value)

    def _function(self, function: types.FunctionType) -> None:
        self.watched.compiled.append((function, function.__code__))
        self.emit("function", function.__name__)
        self.value(function.__code__)
        self.value(function.__defaults__)
        self.value(function.__kwdefaults__)
        self._cells(function)
        self.attributes(vars(function))
        names = bytecode.names(function.__code__)
        self.watched.stores(names.stored, names.mentioned)
        for name in sorted(names.read):
            self._global(function.__globals__, name, names.read[name])
        self._queries.function(names, function.__globals__, self.who)
        self._put_on_pandas(names.attributes)
        package = function.__globals__.get("__package__") or ""
        for level, module, wanted in names.imported:
            self.imported("." * level + module, package, wanted, names.mentioned)

    def _cells(self, function: types.FunctionType) -> None:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name == "cache_token" and function.__globals__.get("__name__") == "functools":
                continue  # functools.singledispatch: the number of classes registered so far
            with self.at(name):
                try:
                    self.value(cell.cell_contents)
                except ValueError:  # still empty
                    self.emit("empty")

    def _global(self, names: Mapping[str, object], name: str, chains: set[tuple[str, ...]]) -> None:
        """Write a global variable; for a user's module, the targets of the attribute chains."""
        if name in SET_BY_PYTHON or (name not in names and hasattr(builtins, name)):
            return
        self.emit("global", name)
        if name not in names:
            self.emit("missing")
            return
        with self.at(name):
            self.watched.name(names, name)
            value = names[name]
            if isinstance(value, types.ModuleType):
                for chain in sorted(chains):
                    self.chain(value, chain)
            else:
                self.value(value)

    def _put_on_pandas(self, attributes: frozenset[str]) -> None:
        self.attributes_taken |= attributes
        for kind, name, member in unnamed.put_on_pandas(attributes):
            self.emit("on pandas", f"{kind.__name__}.{name}")
            self.watched.looked_up.append((vars(kind), name, vars(kind)[name]))
            with self.at(f".{name}"):
                self.value(member)

    def _class(self, kind: type) -> None:
        self.emit("class", kind.__name__)
        self.value(built(kind.__module__))
        self.value(type(kind))
        self.value(kind.__bases__)
        for name, member in members(kind):
            self.emit("member", name)
            with self.at(f".{name}"):
                self.watched.name(vars(kind), name)
                self.value(member)


def _is_astray(value: object, module: str) -> bool:
    """Whether a class names a Python module that only created it, as make_dataclass does, as its own module."""
    return isinstance(value, type) and module in ("types", "abc") and not hasattr(sys.modules[module], value.__name__)


def _folder(value: object, module: str) -> str | None:
    file = value.__globals__.get("__file__") if isinstance(value, types.FunctionType) else None
    if file is None and module in sys.modules:
        file = file_of(sys.modules[module])
    return os.path.dirname(file) if isinstance(file, str) else None
