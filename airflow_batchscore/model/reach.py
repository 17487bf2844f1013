"""What code reaches: the functions, classes, modules and values that decide what it does, as they are loaded."""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.util
import os
import sys
import types
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model import bytecode
from airflow_batchscore.model.canonical import Canonical
from airflow_batchscore.model.members import members
from airflow_batchscore.model.packages import file_of, is_own, label

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
class Reach(Canonical):
    """Writes what code reaches: functions, classes and modules by number, each defined once, in the order of need.

    Attributes:
        name: of what is digested, for messages.
        importing: whether modules are imported that functions will import when they are called, and versions are
            looked up; without it only what is loaded is looked at.
        inside: sets that are being written, by id.
    """

    name: str
    importing: bool = True
    inside: frozenset[int] = frozenset()
    looked_up: list[tuple[Mapping[str, Any], str, Any]] = field(default_factory=list)
    compiled: list[tuple[types.FunctionType, types.CodeType]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is given again
        self._waiting: deque[Any] = deque()
        self.who = self.name

    def digest(self, value: Any) -> str:
        """Write `value` and everything that it reaches."""
        self.value(value)
        while self._waiting:
            self._define(self._waiting.popleft())
        return self.hexdigest()

    def alone(self, value: Any, container: Any) -> str:
        if id(container) in self.inside:
            return "inside"
        apart = Reach(self.name, self.importing, self.inside | {id(container)}, self.looked_up, self.compiled)
        apart.who, apart.here = self.who, self.here
        return apart.digest(value)

    def reference(self, value: Any) -> bool:
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

    def _wrapper(self, value: Any) -> bool:
        if isinstance(value, (staticmethod, classmethod)):
            parts: list[Any] = [value.__func__]
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

    def _number(self, value: Any) -> None:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._numbers)
            self._kept.append(value)
            self._waiting.append(value)
        self.emit("number", str(number))

    def _label(self, module: str) -> str:
        return f"{label(module)} " if self.importing else ""

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
        readable = module.split("_", 3)[3] if module.startswith("unusual_prefix_") else module
        self.who = shown if shown == readable else f"{readable}:{shown}"
        self.here = _folder(value, module)
        if isinstance(value, types.ModuleType):
            self._module(value)
        elif not is_own(module):
            code = getattr(value, "__code__", None)
            self.emit("installed", f"{self._label(module)}{module}:{code.co_qualname if code else value.__qualname__}")
            if code and value.__closure__:  # a decorator's, around a function of the user's
                self._cells(value)
                self.attributes(vars(value))
        elif isinstance(value, types.FunctionType):
            self._function(value)
        else:
            self._class(value)

    def _function(self, function: types.FunctionType) -> None:
        self.compiled.append((function, function.__code__))
        self.emit("function", function.__name__)
        self.value(function.__code__)
        self.value(function.__defaults__)
        self.value(function.__kwdefaults__)
        self._cells(function)
        self.attributes(vars(function))
        names = bytecode.names(function.__code__)
        for name in sorted(names.read):
            self._global(function.__globals__, name, names.read[name])
        package = function.__globals__.get("__package__") or ""
        for level, module, wanted in names.imported:
            self._import("." * level + module, package, wanted, names.mentioned)

    def _cells(self, function: types.FunctionType) -> None:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name == "cache_token":  # of functools.singledispatch: how many classes were registered so far
                continue
            with self.at(name):
                try:
                    self.value(cell.cell_contents)
                except ValueError:  # nothing was put there yet
                    self.emit("empty")

    def _global(self, names: Mapping[str, Any], name: str, chains: set[tuple[str, ...]]) -> None:
        """Write a global variable; of a module of the user's what the chains of attributes lead to."""
        if name.startswith("__") or (name not in names and hasattr(builtins, name)):
            return
        self.emit("global", name)
        if name not in names:
            self.emit("missing")
            return
        with self.at(name):
            self._looked_up(names, name)
            if isinstance(names[name], types.ModuleType):
                for chain in sorted(chains):
                    self._chain(names[name], chain)
            else:
                self.value(names[name])

    def _chain(self, module: types.ModuleType, chain: tuple[str, ...], mentioned: frozenset[str] | None = None) -> None:
        """Write what a chain of attributes leads to; of a module at its end all, or what is `mentioned`."""
        if not is_own(module.__name__) or (not chain and mentioned is None):
            self.value(module)
            return
        if not chain:
            self._module(module, mentioned, (module.__name__,))
            return
        name = chain[0]
        self.emit("in", name)
        if name not in vars(module) and self.importing and hasattr(module, "__path__"):
            self._bring(f"{module.__name__}.{name}")  # somebody will have, when the code runs
        if name not in vars(module):
            self.emit("missing")
            self.value(vars(module).get("__getattr__"))
            return
        there = vars(module)[name]
        self._looked_up(vars(module), name)
        with self.at(f".{name}"):
            if isinstance(there, types.ModuleType):
                self._chain(there, chain[1:], mentioned)
            else:
                self.value(there)

    def _looked_up(self, names: Mapping[str, Any], name: str) -> None:
        if isinstance(names.get(name), (types.FunctionType, types.ModuleType, type)):
            self.looked_up.append((names, name, names[name]))

    def _module(
        self, module: types.ModuleType, mentioned: frozenset[str] | None = None, above: tuple[str, ...] | None = None
    ) -> None:
        """Write what a module of the user's defines: all, or what it has of what is `mentioned`.

        Args:
            above: modules that led here; None leaves modules in it out. Whether a package has them as attributes
                depends on what was imported before.
        """
        self.emit("names")
        for name, there in sorted(vars(module).items()):
            if name != "__getattr__" and (name.startswith("__") or (mentioned is not None and name not in mentioned)):
                continue
            if not isinstance(there, types.ModuleType) or not is_own(there.__name__):
                self.emit("in", name)
                with self.at(f".{name}"):
                    self._looked_up(vars(module), name)
                    self.value(there)
            elif above is not None and there.__name__ not in above:
                self.emit("in", name)
                self._module(there, mentioned, (*above, there.__name__))

    def _import(self, name: str, package: str, wanted: tuple[str, ...], mentioned: frozenset[str]) -> None:
        """Write what an import statement inside a function will find."""
        full = importlib.util.resolve_name(name, package) if name.startswith(".") else name
        self.emit("import", name)
        if not is_own(full):
            self.emit("installed", self._label(full))
            return
        if self.importing:
            self._bring(full, wanted)
        for name in wanted:
            if full in sys.modules:
                self._chain(sys.modules[full], (name,), mentioned)
        for part in accumulate(() if wanted else full.split("."), "{}.{}".format):
            if part in sys.modules:
                self._module(sys.modules[part], mentioned, (full,) if part == full else None)

    def _bring(self, module: str, wanted: tuple[str, ...] = ()) -> None:
        """Import a module as the code will."""
        try:
            importlib.__import__(module, fromlist=wanted)
        except ImportError:  # the code may do without it, and says so itself if it cannot
            self.emit("missing")
        except Exception as error:
            raise RecipeError(f"{self.who} imports {module}, which raises {type(error).__name__}: {error}") from error

    def _class(self, kind: type) -> None:
        self.emit("class", kind.__name__)
        self.value(type(kind))
        self.value(kind.__bases__)
        for name, member in members(kind):
            self.emit("member", name)
            with self.at(f".{name}"):
                self._looked_up(vars(kind), name)
                self.value(member)


def _folder(value: Any, module: str) -> str | None:
    file = value.__globals__.get("__file__") if isinstance(value, types.FunctionType) else None
    if file is None and module in sys.modules:
        file = file_of(sys.modules[module])
    return os.path.dirname(file) if isinstance(file, str) else None
