"""Whose code a module is: the user's own, identified by what it does, or a package's, identified by version."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

#: Modules whose distribution has a different name; searching all installed ones takes half a second.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "airflow": "apache-airflow",
    "airflow_batchscore": "airflow-batchscore",
    "dateutil": "python-dateutil",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
_SITES = {"site-packages", "dist-packages"}
#: Packages identified by version wherever they lie: a checkout of this one, Spark's below SPARK_HOME.
_NEVER_OWN = {"airflow", "airflow_batchscore", "pyspark"}


def readable(module: str) -> str:
    """A module's name for display: Airflow imports a DAG file as ``unusual_prefix_<hash>_<name>``."""
    return module.split("_", 3)[3] if module.startswith("unusual_prefix_") else module


def is_own(module: str) -> bool:
    """Whether a module is the user's: neither Python's nor an installed package's. Does not import it."""
    return _is_own(module, _file(module))


def top_level(module: str) -> str:
    """The top-level name of a module, or of the package that it is installed in."""
    return _top(module, _file(module))


@cache
def label(module: str) -> str:
    """The package of a module that is not the user's own, with its version; Python's own modules by name."""
    top = top_level(module)
    dist = _distribution(top)
    if dist is not None:
        return f"{top}=={dist.version} {_recorded(dist, top)}"
    if top in sys.stdlib_module_names:
        return top
    return f"{top}=={getattr(sys.modules.get(top), '__version__', '')}"


@cache
def _is_own(module: str, file: str | None) -> bool:
    top = _top(module, file)
    if top in _NEVER_OWN:
        return False
    if file is None or top == "__main__":  # a notebook's functions are sent to workers whose main module is Dask's
        return top not in sys.stdlib_module_names
    if _SITES & set(file.split(os.sep)):
        # Something copied there that also has no version.
        # Only what the module holds: asking it may run code of its own.
        return "__version__" not in getattr(sys.modules.get(top), "__dict__", {}) and _distribution(top) is None
    return not os.path.realpath(file).startswith(_stdlib())


def _top(module: str, file: str | None) -> str:
    """See `top_level`.

    Compiled modules can go by a name without their package: ``_loss`` is ``sklearn._loss._loss`` until 1.8.
    """
    parts = file.split(os.sep) if file else []
    for place in _SITES & set(parts[:-2]):
        folder = parts[parts.index(place) + 1]
        if folder in sys.modules:
            return folder
    return module.partition(".")[0]


@cache
def _stdlib() -> tuple[str, ...]:
    places = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)]
    return tuple({os.path.realpath(place) + os.sep for place in places})


def _file(module: str) -> str | None:
    loaded = sys.modules.get(module)
    if loaded is not None:
        return file_of(loaded)
    top = module.partition(".")[0]
    if top in sys.modules:
        return file_of(sys.modules[top])
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    return spec.origin if spec.has_location else next(iter(spec.submodule_search_locations or ()), None)


def file_of(module: ModuleType) -> str | None:
    """Where a module was loaded from; a folder for a package without ``__init__``, None for a built-in one."""
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else next(iter(getattr(module, "__path__", ())), None)


def built(module: str) -> str | None:
    """SHA-256 of the file of a user's own compiled module when first requested; None for other modules.

    Python never reloads such a module, so the first read comes closest to what is loaded.
    """
    file = file_of(sys.modules[module]) if module in sys.modules else None
    if file is None or not file.endswith(tuple(EXTENSION_SUFFIXES)) or not is_own(module):
        return None
    return _file_hash(file)


@cache
def _file_hash(file: str) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@cache
def _distribution(top: str) -> Distribution | None:
    if top in sys.stdlib_module_names:
        return None
    # Not imported while a DAG file is parsed, which needs no version.
    from importlib.metadata import PackageNotFoundError, distribution

    for name in (_DISTRIBUTIONS.get(top, top), f"{top}-cpu", f"{top}-skinny"):
        try:
            return distribution(name)
        except (PackageNotFoundError, ValueError):
            continue
    names = sorted(set(_distributions_by_module(_import_path()).get(top, ())))
    return distribution(names[0]) if names else None


def _import_path() -> tuple[tuple[str, int], ...]:
    """The folders of the import path with their times: to install a package changes one."""
    found = []
    for place in sys.path:
        with suppress(OSError):
            found.append((place, os.stat(place or os.curdir).st_mtime_ns))
    return tuple(found)


@lru_cache(maxsize=1)
def _distributions_by_module(import_path: tuple[tuple[str, int], ...]) -> Mapping[str, list[str]]:
    """Read from every installed package, which takes half a second, once for an import path that stays as it is."""
    from importlib.metadata import packages_distributions

    return packages_distributions()


def _recorded(dist: Distribution, top: str) -> str:
    """For a pure Python package, the hashes recorded by its installer: a custom build may keep the version."""
    recorded = dist.read_text("RECORD") or ""
    if ".so," in recorded or ".pyd," in recorded:
        return ""
    lines = [line.split(",") for line in recorded.splitlines() if line.startswith((f"{top}/", f"{top}."))]
    hashes = sorted(",".join(line[:2]) for line in lines if line[0].endswith(".py"))
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest() if hashes else ""
