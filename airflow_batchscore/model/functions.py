"""Names of functions that travel: by import path where a fresh process can import them, else by value.

A function that lives in a DAG file, a notebook or a closure cannot be imported on a worker (and a DAG file
must not be: it imports Airflow), so it travels as bytes made by cloudpickle.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib
import inspect
import os
import pickle
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from airflow_batchscore.errors import RecipeError


@dataclass(frozen=True)
class FunctionRef:
    """A function by import path (``"pkg.mod:name"``), or by value with its path kept as a label.

    Attributes:
        path: ``module:qualname``.
        pickled: base64 of the cloudpickled function, when it travels by value.
        by_value_digest: SHA-256 of its source, when it travels by value.
    """

    path: str
    pickled: str | None = None
    by_value_digest: str | None = None

    @classmethod
    def of(cls, function: str | Callable[..., Any]) -> FunctionRef:
        if isinstance(function, str):
            if function.count(":") != 1:
                raise RecipeError(f"{function!r} is not an import path; write 'package.module:function'")
            return cls(function)
        path = f"{function.__module__}:{function.__qualname__}"
        if _importable_elsewhere(function):
            return cls(path)
        label = f"{_readable_module(function)}:{function.__qualname__}"
        return cls(label, base64.b64encode(_pickle_by_value(function)).decode(), _source_digest(function))

    def load(self) -> Callable[..., Any]:
        """The function. Raises RecipeError when it cannot be imported here."""
        return _load(self)

    @property
    def digest(self) -> str:
        """Identity of what the function does: its import path and its module's code, comments left out."""
        if self.by_value_digest is not None:
            return self.by_value_digest
        module = sys.modules[self.load().__module__]
        try:
            file = os.stat(module.__file__ or "")
            code = _code(module.__name__, file.st_mtime_ns, file.st_size)
        except (AttributeError, OSError, TypeError, SyntaxError):  # compiled: its version is all there is to see
            code = str(getattr(module, "__version__", ""))
        return hashlib.sha256(f"{self.path}\n{code}".encode()).hexdigest()

    def to_dict(self) -> dict[str, str]:
        value = {"path": self.path}
        if self.pickled is not None and self.by_value_digest is not None:
            value |= {"pickled": self.pickled, "digest": self.by_value_digest}
        return value

    @classmethod
    def from_dict(cls, value: dict[str, str]) -> FunctionRef:
        return cls(value["path"], value.get("pickled"), value.get("digest"))


@lru_cache(maxsize=64)
def _code(module: str, mtime_ns: int, size: int) -> str:
    """A module's code without comments, read again when its file has changed."""
    return ast.dump(ast.parse(inspect.getsource(sys.modules[module])))


@cache
def _load(ref: FunctionRef) -> Callable[..., Any]:
    # Bytes are trusted as the artifact that they lie in, which was checked against its pin.
    found = pickle.loads(base64.b64decode(ref.pickled)) if ref.pickled is not None else import_path(ref.path)  # noqa: S301
    if not callable(found):
        raise RecipeError(f"{ref.path} is not a function")
    return found  # type: ignore[no-any-return]


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


def _importable_elsewhere(function: Callable[..., Any]) -> bool:
    module = function.__module__
    if module == "__main__" or module.startswith("unusual_prefix_") or "<" in function.__qualname__:
        return False
    try:
        return bool(import_path(f"{module}:{function.__qualname__}") is function)
    except RecipeError:
        return False


def _readable_module(function: Callable[..., Any]) -> str:
    """Airflow imports a DAG file as ``unusual_prefix_<hash>_<name>``."""
    name = function.__module__
    return name.split("_", 3)[3] if name.startswith("unusual_prefix_") else name


def _pickle_by_value(function: Callable[..., Any]) -> bytes:
    import cloudpickle

    module = sys.modules.get(function.__module__)
    if module is None or module.__name__ == "__main__":
        return bytes(cloudpickle.dumps(function))
    cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(function))
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _source_digest(function: Callable[..., Any]) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(function, set()):
        digest.update(piece.encode())
    return digest.hexdigest()


def _pieces(function: Any, seen: set[int]) -> Iterator[str]:
    """Source of a function and of what it uses from its own module, comments left out."""
    if id(function) in seen:
        return
    seen.add(id(function))
    function = inspect.unwrap(function)
    try:
        yield ast.dump(ast.parse(textwrap.dedent(inspect.getsource(function))))
    except (OSError, TypeError, SyntaxError):  # typed at a prompt, or a lambda inside a call
        code = getattr(function, "__code__", None)
        yield f"{code.co_code!r}{code.co_names!r}{code.co_consts!r}" if code else repr(function)
    if not isinstance(function, types.FunctionType):
        return
    used = inspect.getclosurevars(function)
    for name, value in sorted({**used.globals, **used.nonlocals}.items()):
        if inspect.ismodule(value):
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            if value.__module__ == function.__module__:
                yield from _pieces(value, seen)
            else:
                yield f"{name}={value.__module__}:{value.__qualname__}"
        else:
            yield f"{name}={value!r}"
