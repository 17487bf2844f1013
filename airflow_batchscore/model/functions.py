"""Names of functions that travel: by import path where a fresh process can import them, else by value.

A function that lives in a DAG file, a notebook or a closure cannot be imported on a worker (and a DAG file
must not be: it imports Airflow), so it travels as bytes made by cloudpickle.
"""

from __future__ import annotations

import base64
import functools
import importlib
import pickle
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from airflow_batchscore.errors import EngineError, RecipeError
from airflow_batchscore.model import digest as digests
from airflow_batchscore.model.packages import readable


@dataclass(frozen=True)
class FunctionRef:
    """A function by import path (``"pkg.mod:name"``), or by value with its path kept as a label.

    Attributes:
        path: ``module:qualname``.
        pickled: base64 of the cloudpickled function, when it travels by value.
        expected: digest of the code that it must have wherever it is loaded; None takes what is there.
    """

    path: str
    pickled: str | None = None
    expected: str | None = None

    @classmethod
    def of(cls, function: str | Callable[..., Any]) -> FunctionRef:
        """The reference to a function, or to any other object that can be called.

        Raises:
            RecipeError: it can neither be imported nor sent, or it uses something whose change could not be noticed.
        """
        if isinstance(function, str):
            if function.count(":") != 1:
                raise RecipeError(f"{function!r} is not an import path; write 'package.module:function'")
            return cls(function)
        home = _home(function)
        path = f"{home.__module__}:{home.__qualname__}"
        if home is function and _importable_elsewhere(home):
            return cls(path)
        label = f"{readable(home.__module__)}:{home.__qualname__}"
        digests.check(function, label)
        return cls(label, base64.b64encode(_pickle_by_value(function, home.__module__, label)).decode())

    def pinned(self) -> FunctionRef:
        """The same, for a worker: it is loaded only where its code is what it is here."""
        return replace(self, expected=self.digest)

    def load(self) -> Callable[..., Any]:
        """The function.

        Raises:
            RecipeError: it cannot be imported here, or is no function.
            EngineError: its code is not the one that it was pinned to.
        """
        found = self.verified()
        if not callable(found):
            raise RecipeError(f"{self.path} is not a function")
        return found  # type: ignore[no-any-return]

    def verified(self) -> Any:
        """`load` for what need not be a function."""
        found = self._found()
        here = digests.code_digest(found, self.path)  # before it is called, and fills what it may fill
        if self.expected not in (None, here):
            raise EngineError(stale(self.path))
        return found

    @property
    def digest(self) -> str:
        """Identity of what the function does: of all code and values that it reaches; see `digest.code_digest`."""
        return digests.code_digest(self._found(), self.path)

    def to_dict(self) -> dict[str, str]:
        return {"path": self.path} | ({"pickled": self.pickled} if self.pickled is not None else {})

    @classmethod
    def from_dict(cls, value: dict[str, str]) -> FunctionRef:
        return cls(value["path"], value.get("pickled"))

    def _found(self) -> Any:
        return import_path(self.path) if self.pickled is None else _unpickled(self.pickled)


def stale(what: str) -> str:
    """What to say where code is not that of the task."""
    return (
        f"the worker on {platform.node()} has other code of {what} than the task, or of something that it uses. "
        "Deploy the same code and packages everywhere, restart workers that have loaded older code, and run the task "
        "again. If they are the same: a constant differs that is made where it runs (of the time, the host, the "
        "environment, a path outside of its own folder); make it inside the function"
    )


@lru_cache(maxsize=256)
def _unpickled(pickled: str) -> Any:
    # Bytes are trusted as the artifact that they lie in, which was checked against its pin.
    return pickle.loads(base64.b64decode(pickled))  # noqa: S301


def import_path(path: str) -> Any:
    """The object at ``module:qualname``. Raises RecipeError that says what is missing."""
    module_name, _, qualname = path.partition(":")
    try:
        found = importlib.import_module(module_name)
    except ImportError as error:
        raise RecipeError(
            f"{path!r} cannot be imported here: {error}. The module must be installed, or lie in the DAGs folder, "
            "on every worker"
        ) from error
    for name in qualname.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise RecipeError(f"{path!r}: module {module_name} has no {qualname}") from error
    return found


def _home(function: Any) -> Any:
    """What has a name and a module: the function itself, the one in a partial, or the class of a callable object."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if hasattr(function, "__qualname__") and function.__module__ else type(function)


def _importable_elsewhere(function: Callable[..., Any]) -> bool:
    module = function.__module__
    if module == "__main__" or module.startswith("unusual_prefix_") or "<" in function.__qualname__:
        return False
    try:
        return bool(import_path(f"{module}:{function.__qualname__}") is function)
    except RecipeError:
        return False


def _pickle_by_value(function: Any, home: str, label: str) -> bytes:
    import cloudpickle

    module = sys.modules.get(home)
    by_value = module is not None and home != "__main__"
    if by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(function))
    except Exception as error:  # pickle raises almost anything
        raise RecipeError(
            f"{label} cannot be sent to workers: {type(error).__name__}: {error}. Put it into a module that workers "
            "can import, or make what it uses inside the function"
        ) from error
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)
