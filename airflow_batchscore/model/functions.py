"""References to functions: by import path if a fresh process can import them, otherwise by value.

A function in a DAG file, a notebook or a closure cannot be imported on a worker (and a DAG file must not be: it imports
Airflow), so it is sent as bytes made by cloudpickle.
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
    """A function by import path (``"pkg.mod:name"``), or by value with its path as a label.

    Attributes:
        path: ``module:qualname``.
        pickled: ``<Python>:<base64>`` of the cloudpickled function, if it is sent by value; its bytecode suits that
            minor version of Python alone.
        expected: digest that its code must have wherever it is loaded; None accepts any.
    """

    path: str
    pickled: str | None = None
    expected: str | None = None

    @classmethod
    def of(cls, function: str | Callable[..., object]) -> FunctionRef:
        """The reference to a function or any other callable.

        Raises:
            RecipeError: it can neither be imported nor sent, or it uses something whose change could not be detected.
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
        data = base64.b64encode(_pickle_by_value(function, home.__module__, label)).decode()
        return cls(label, f"{_python()}:{data}")

    def pinned(self) -> FunctionRef:
        """The same reference for a worker: it only loads if its code there is the same as here."""
        return replace(self, expected=self.digest)

    def load(self) -> Callable[..., Any]:
        """The function.

        Raises:
            RecipeError: it cannot be imported here, or is not a function.
            EngineError: its code is not the code it was pinned to.
        """
        function = self.verified()
        if not callable(function):
            raise RecipeError(f"{self.path} is not a function")
        return function

    def verified(self) -> object:
        """`load` for objects that need not be functions."""
        value = self._found()
        here = digests.code_digest(value, self.path)  # before a call, which may fill values
        if self.expected not in (None, here):
            raise EngineError(stale(self.path))
        return value

    @property
    def digest(self) -> str:
        """Identity of what the function does: all code and values that it reaches; see `digest.code_digest`."""
        return digests.code_digest(self._found(), self.path)

    def to_dict(self) -> dict[str, str]:
        return {"path": self.path} | ({"pickled": self.pickled} if self.pickled is not None else {})

    @classmethod
    def from_dict(cls, value: dict[str, str]) -> FunctionRef:
        return cls(value["path"], value.get("pickled"))

    def _found(self) -> object:
        return import_path(self.path) if self.pickled is None else _unpickled(self.pickled, self.path)


def stale(what: str) -> str:
    """Message for code that differs from the task's."""
    return (
        f"the worker on {platform.node()} has other code of {what} than the task, or of something that it uses. "
        "Deploy the same code and packages everywhere, restart workers that have loaded older code, and run the task "
        "again. If they are the same: a constant differs that is made where it runs (of the time, the host, the "
        "environment, a path outside of its own folder); make it inside the function"
    )


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


@lru_cache(maxsize=256)
def _unpickled(pickled: str, path: str) -> object:
    python, _, data = pickled.rpartition(":")
    if python not in ("", _python()):  # its bytecode would do anything
        raise RecipeError(
            f"{path} was sent by value from Python {python}, and this is {_python()}. Put it into a module that both "
            "can import, beside the DAG's file or in a package, and name it by import path"
        )
    # The bytes are as trusted as the artifact that contains them, which was checked against its pin.
    return pickle.loads(base64.b64decode(data))  # noqa: S301


def import_path(path: str) -> Any:
    """The object at ``module:qualname``. Raises RecipeError saying what is missing."""
    module_name, _, qualname = path.partition(":")
    try:
        value = importlib.import_module(module_name)
    except ImportError as error:
        raise RecipeError(
            f"{path!r} cannot be imported here: {error}. The module must be installed, or lie in the DAGs folder, "
            "on every worker. A command outside of Airflow looks there only if PYTHONPATH names that folder"
        ) from error
    for name in qualname.split("."):
        try:
            value = getattr(value, name)
        except AttributeError as error:
            raise RecipeError(f"{path!r}: module {module_name} has no {qualname}") from error
    return value


def _home(function: object) -> Any:
    """The object with a name and a module: the function itself, the one in a partial, or a callable object's class."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if hasattr(function, "__qualname__") and function.__module__ else type(function)


def _importable_elsewhere(function: Callable[..., object]) -> bool:
    module = function.__module__
    if module == "__main__" or module.startswith("unusual_prefix_") or "<" in function.__qualname__:
        return False
    try:
        return bool(import_path(f"{module}:{function.__qualname__}") is function)
    except RecipeError:
        return False


def _pickle_by_value(function: object, home: str, label: str) -> bytes:
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
