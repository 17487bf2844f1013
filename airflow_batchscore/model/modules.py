"""What code reaches in the user's own modules: attribute chains, modules as values, imports inside functions."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import types
from contextlib import suppress
from itertools import accumulate

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model import unnamed
from airflow_batchscore.model.canonical import Canonical
from airflow_batchscore.model.members import SET_BY_PYTHON
from airflow_batchscore.model.packages import built, is_own, label
from airflow_batchscore.model.watched import Watched


class Modules(Canonical):
    """Writes modules.

    Attributes:
        importing: whether to import modules that functions will import when called, and to look up versions; otherwise
            only loaded code is inspected.
        watched: everything that was looked up.
    """

    importing: bool
    watched: Watched

    def __init__(self) -> None:
        super().__init__()
        self.attributes_taken: set[str] = set()
        self._as_values: list[tuple[types.ModuleType, set[str]]] = []
        self._inner_written: set[tuple[int, str]] = set()

    def _label(self, module: str) -> str:
        return f"{label(module)} " if self.importing else ""

    def chain(self, module: types.ModuleType, chain: tuple[str, ...], mentioned: frozenset[str] | None = None) -> None:
        """Write the target of an attribute chain; for a module at its end, all of it or the `mentioned` names."""
        if not is_own(module.__name__) or (not chain and mentioned is None):
            self.value(module)
            self.value(None if is_own(module.__name__) else unnamed.put_into(module, chain))
            return
        if not chain:
            self._module(module, mentioned, (module.__name__,))
            return
        name = chain[0]
        self.emit("in", name)
        if name not in vars(module) and self.importing and "__path__" in vars(module):
            self._bring(f"{module.__name__}.{name}")  # as other code will have done by the time this code runs
        if name not in vars(module):
            self.emit("missing")
            self.value(vars(module).get("__getattr__"))
            return
        value = vars(module)[name]
        self.watched.name(vars(module), name)
        with self.at(f".{name}"):
            if isinstance(value, types.ModuleType):
                self.chain(value, chain[1:], mentioned)
            else:
                self.value(value)

    def _module(
        self, module: types.ModuleType, mentioned: frozenset[str] | None = None, above: tuple[str, ...] | None = None
    ) -> None:
        """Write what a user's module defines: everything, or only the `mentioned` names.

        Args:
            above: modules that led here; None omits nested modules. Whether a package has them as attributes depends on
                earlier imports.
        """
        self.emit("names", built(module.__name__) or "")
        for name, value in sorted(vars(module).items()):
            unused = mentioned is not None and name not in mentioned and name != "__getattr__"
            if unused or name in SET_BY_PYTHON:
                continue
            if not isinstance(value, types.ModuleType) or not is_own(value.__name__):
                self.emit("in", name)
                with self.at(f".{name}"):
                    self.watched.name(vars(module), name)
                    self.value(value)
            elif above is not None and value.__name__ not in above:
                self.emit("in", name)
                self._module(value, mentioned, (*above, value.__name__))

    def imported(self, name: str, package: str, wanted: tuple[str, ...], mentioned: frozenset[str]) -> None:
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
                self.chain(sys.modules[full], (name,), mentioned)
        for part in accumulate(() if wanted else full.split("."), "{}.{}".format):
            if part in sys.modules:
                self._module(sys.modules[part], mentioned, (full,) if part == full else None)

    def _bring(self, module: str, wanted: tuple[str, ...] = ()) -> None:
        """Import a module as the code will."""
        try:
            importlib.__import__(module, fromlist=wanted)
        except ImportError:  # the code may do without it, and raises itself if it cannot
            self.emit("missing")
        except Exception as error:
            raise RecipeError(f"{self.who} imports {module}, which raises {type(error).__name__}: {error}") from error

    def as_value(self, module: types.ModuleType) -> None:
        """Write all of a module that is passed as a value. For modules inside it, see `inner`."""
        self._module(module)
        path = vars(module).get("__path__", ())
        self._as_values.append((module, {submodule.name for submodule in pkgutil.iter_modules(path)}))

    def inner(self) -> bool:
        """Write modules inside those passed as values if the code reached so far accesses their name as an attribute.

        They are imported if necessary, so other imports do not matter. Returns whether there were any.
        """
        before = len(self._inner_written)
        for module, submodules in list(self._as_values):
            for name in sorted(self.attributes_taken & {*submodules, *vars(module)}):
                if (id(module), name) not in self._inner_written:
                    self._inner_one(module, name, name in submodules)
        return len(self._inner_written) > before

    def _inner_one(self, module: types.ModuleType, name: str, is_submodule: bool) -> None:
        if name not in vars(module) and is_submodule and self.importing:
            with suppress(Exception, SystemExit):  # if the code needs it, it raises itself
                importlib.import_module(f"{module.__name__}.{name}")
        value = vars(module).get(name)
        self._inner_written.add((id(module), name))
        if isinstance(value, types.ModuleType) and is_own(value.__name__):
            self.emit("inner", name)
            self.watched.name(vars(module), name)
            with self.at(f".{name}"):
                self.value(value)
