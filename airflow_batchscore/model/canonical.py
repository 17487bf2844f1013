"""Serialises values identically in every process: by content, never by memory address, hash order or ``repr``."""

from __future__ import annotations

import copyreg
import hashlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from logging import Logger
from pathlib import PurePath
from types import CodeType, MappingProxyType
from typing import Any, ClassVar, NoReturn

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model import bytecode, canonical_tables
from airflow_batchscore.model.members import SET_BY_PYTHON
from airflow_batchscore.model.packages import built, is_own

#: Exact types whose instances are written as one short string.
_PLAIN: dict[type, Callable[[Any], str]] = {
    type(None): str,
    bool: str,
    int: hex,
    float: lambda value: "nan" if value != value else value.hex(),
    complex: lambda value: f"{value.real.hex()} {value.imag.hex()}",
    type(...): str,
    type(NotImplemented): str,
}
_CONTAINERS = {list, tuple, dict, set, frozenset}
#: Objects without anything that affects a result, or that hold different state in each thread.
_BY_TYPE = {
    *("_thread.lock", "_thread.RLock", "_thread._local", "multiprocessing.synchronize.Lock", "asyncio.locks.Lock"),
    *("threading.Condition", "threading.Event", "threading.Semaphore", "threading.BoundedSemaphore"),
    *("_contextvars.ContextVar", "_abc._abc_data", "weakref.ReferenceType", "weakref.WeakKeyDictionary"),
    *("weakref.WeakValueDictionary", "_weakrefset.WeakSet"),
}


class Canonical(ABC):
    """A hash of the written values. `reference` defines how functions, classes and modules are written.

    Attributes:
        here: folder of the module under inspection; paths below it are written without it, because machines keep the
            same code in different places.
        who: the function or class under inspection, for messages.
    """

    here: str | None = None
    who: str = ""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._open: list[int] = []
        self._names: list[str] = []

    def hexdigest(self) -> str:
        """Digest of what was written so far."""
        return self._sha.hexdigest()

    @abstractmethod
    def reference(self, value: object) -> bool:
        """Write a function, class, module or a stand-in for one; returns False for anything else."""

    @abstractmethod
    def alone(self, value: object, container: object) -> str:
        """The digest of an element of `container`, independent of what was written before."""

    def emit(self, tag: str, data: str | bytes = b"") -> None:
        """Write a piece unambiguously."""
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        self._sha.update(f"{tag} {len(raw)}:".encode())
        self._sha.update(raw)

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Context in which the value called `name` is written."""
        self._names.append(name)
        try:
            yield
        finally:
            self._names.pop()

    def value(self, value: Any) -> None:
        """Write any value.

        Raises:
            RecipeError: it cannot be written identically in every process. Names what uses it.
        """
        kind = type(value)
        if kind in _PLAIN:
            self.emit(kind.__name__, _PLAIN[kind](value))
        elif kind is str:
            self._text(value)
        elif kind is bytes:
            self.emit("bytes", value)
        elif kind is CodeType:
            self.value(bytecode.body(value))
        elif kind in _CONTAINERS or not self.reference(value):
            self._composite(value)

    def _text(self, value: str) -> None:
        here = self.here
        if here and (value == here or value.startswith(here + os.sep)):
            self.emit("here", value[len(here) :])
        else:
            self.emit("str", value)

    def _composite(self, value: object) -> None:
        if id(value) in self._open:  # a cycle: write how many levels up it leads
            self.emit("up", str(len(self._open) - self._open.index(id(value))))
            return
        self._open.append(id(value))
        try:
            for kinds, write in self._writers.items():
                if isinstance(value, kinds):
                    write(self, value)
                    break
            else:
                self._library(value)
        except RecursionError:
            self.refuse(value, "is nested too deeply")
        finally:
            self._open.pop()

    def _sequence(self, value: Any) -> None:
        if type(value) not in (list, tuple):
            self._object(value)
            return
        self.emit(type(value).__name__, str(len(value)))
        for item in value:
            self.value(item)

    def _mapping(self, value: Any) -> None:
        if type(value) not in (dict, MappingProxyType):
            self._object(value)
            return
        self.emit("dict", str(len(value)))  # in its own order, which code can observe
        for key, item in value.items():
            self.value(key)
            with self.at(f"[{key!r}]" if type(key) is str else "[...]"):
                self.value(item)

    def _set(self, value: Any) -> None:
        self.emit("set" if isinstance(value, set) else "frozenset")
        self._own(value, vars(value) if hasattr(value, "__dict__") else {})
        self.value(sorted(self.alone(item, value) for item in value))

    def _enum(self, value: Enum) -> None:
        self.emit("member", value.name or "")
        self.value(type(value))
        self.value(value.value)

    def _logger(self, value: Logger) -> None:
        self.emit("logger")  # its name is that of a module, which may differ between processes
        usual = {*vars(Logger("")), "manager"}
        self._own(value, {name: item for name, item in vars(value).items() if name not in usual})

    def _path(self, value: PurePath) -> None:
        self.emit("path", type(value).__name__)
        self._text(str(value))
        self._own(value, getattr(value, "__dict__", {}))

    def _own(self, value: object, attributes: Mapping[str, object]) -> None:
        """For an object written in short form: its class and attributes, if the class is the user's."""
        if is_own(type(value).__module__):
            self.value(type(value))
            self.attributes(attributes)

    _writers: ClassVar[dict[Any, Callable[[Canonical, Any], None]]] = {
        Enum: _enum,
        (list, tuple): _sequence,
        (dict, MappingProxyType): _mapping,
        (set, frozenset): _set,
        Logger: _logger,
        PurePath: _path,
    }

    def _library(self, value: object) -> None:
        """Write arrays, frames and tables by content; pickling them keeps more than that."""
        for kind in type(value).__mro__:
            write = canonical_tables.WRITERS.get(kind.__module__.partition(".")[0])
            if write and write(self, value):
                return
        self._object(value)

    def _object(self, value: object) -> None:
        """Write an object by class and state, as pickling would decompose it."""
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name in _BY_TYPE:
            self.emit("type", name)
            return
        origin = _name_of(value)
        if origin:
            self.emit("name", origin)
            self.value(kind)
            return
        try:
            reduce = copyreg.dispatch_table.get(kind)
            made: Any = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception as error:  # a class that cannot be pickled may raise anything
            self.refuse(value, f"cannot be taken apart ({type(error).__name__}: {error})")
        if isinstance(made, str):
            self._constant(value, made)
            return
        make, arguments, state, items, pairs = (*made, None, None, None)[:5]
        self.emit("object")
        self.value(make)
        self.value(arguments)
        self._state(state)
        self.value(None if items is None else list(items))
        self.value(None if pairs is None else dict(pairs))

    def _constant(self, value: object, name: str) -> None:
        """Write an object that pickles as its name, which does not reveal the content of a user's own object."""
        self.emit("constant", name)
        self.value(type(value))
        self.value(built(str(getattr(value, "__module__", None))))
        if is_own(type(value).__module__):
            self._state(object.__getstate__(value))

    def _state(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) == 2 and all(isinstance(s, (dict, type(None))) for s in state):
            state = {**(state[0] or {}), **(state[1] or {})}  # slots are attributes too
        if isinstance(state, dict) and all(isinstance(name, str) for name in state):
            self.attributes(state)
        else:
            self.value(state)

    def attributes(self, members: Mapping[str, object]) -> None:
        """Write attributes in name order, without descriptive ones (``__doc__``, ``__module__``)."""
        kept = {name: item for name, item in members.items() if name not in SET_BY_PYTHON}
        self.emit("attributes", str(len(kept)))
        for name in sorted(kept):
            self._text(name)
            with self.at(f".{name}"):
                self.value(kept[name])

    def refuse(self, value: object, why: str) -> NoReturn:
        """Report a value for which a change could not be detected."""
        kind = type(value)
        what = "".join(self._names).lstrip(".") or "a value"
        raise RecipeError(
            f"{self.who} uses {what}, a {kind.__module__}.{kind.__qualname__} that {why}: whether it has changed "
            "cannot be told, and so not whether old results may be used again. Make it inside the function, or keep "
            "what the function needs of it as plain data (numbers, texts, lists, arrays, frames)"
        )


def _name_of(value: object) -> str | None:
    """Where a library's object is defined, such as ``scipy.stats.norm``: this is the same in every process."""
    module = type(value).__module__
    while module and not is_own(module):
        loaded = sys.modules.get(module)
        name = next((name for name, item in vars(loaded).items() if item is value), None) if loaded else None
        if name is not None:
            return f"{module}.{name}"
        module = module.rpartition(".")[0]
    return None
