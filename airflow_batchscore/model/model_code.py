"""The user's code that a model runs when scoring: its features function, its own classes, its own flavour.

A pickled estimator only names its classes; their code lies elsewhere and can change.
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import pickle
import sys
import types
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.libraries import module_of
from airflow_batchscore.model.packages import is_own, label, top_level

if TYPE_CHECKING:
    from airflow_batchscore.model.artifact import ModelManifest
    from airflow_batchscore.model.flavors import Flavor
    from airflow_batchscore.model.flavors.base import TrainedWith

#: Digests of all functions and classes, which a worker compares with its own.
Code = tuple[tuple[str, str], ...]


class _Nowhere(io.RawIOBase):
    def write(self, data: Any) -> int:
        return len(data)


def own_code(estimator: object) -> list[str]:
    """Import paths of the user's own classes, functions and objects that make up an estimator."""
    return sorted(f"{module}:{name}" for module, name in _made_of(estimator) if "<" not in name and is_own(module))


def packages(estimator: object, kind: Flavor, trained_with: TrainedWith | None = None) -> list[str]:
    """Installed packages, by import name, whose code runs when a model is loaded and called.

    Args:
        trained_with: its packages count too: what runs inside such a model does not show from outside.
    """
    names = {top_level(module) for module, _ in _made_of(estimator) if not is_own(module)}
    names |= {module_of(name) for name in (*kind.libraries, *(trained_with.versions if trained_with else ()))}
    return sorted(names - set(sys.stdlib_module_names))


def _made_of(estimator: object) -> set[tuple[str, str]]:
    """Module and name of everything that a pickle of an estimator references by name."""
    parts = {(kind.__module__, kind.__qualname__) for kind in type(estimator).__mro__}

    class Watching(pickle.Pickler):
        def reducer_override(self, value: object) -> Any:
            if isinstance(value, (type, types.FunctionType)):
                if value.__module__:
                    parts.add((value.__module__, value.__qualname__))
                return NotImplemented
            reduce = copyreg.dispatch_table.get(type(value))
            made: object = reduce(value) if reduce else value.__reduce_ex__(5)
            if isinstance(made, str):  # a cached function, a C function, an object that records its own name
                parts.update((module, made) for module in _home(value, made))
            return made

    try:
        Watching(_Nowhere(), protocol=5, buffer_callback=lambda _: None).dump(estimator)
    except Exception:  # its own flavour serialises what cannot be pickled, and the class was recorded
        return parts
    return parts


def _home(value: object, name: str) -> list[str]:
    """The module that defines an object pickled by name; a library's if both it and a user module hold the object."""
    home = getattr(value, "__module__", None)
    modules = [module for module in ([home] if home else list(sys.modules)) if _stands_at(value, module, name)]
    return sorted(modules, key=is_own)[:1]


def _stands_at(value: object, module: str, name: str) -> bool:
    member: object = sys.modules.get(module)
    for part in name.split("."):
        member = getattr(member, part, None)
    return member is value


def estimator_code(estimator: object, kind: Flavor) -> dict[str, str]:
    """Import path -> digest of the user's own code that runs when a model of this flavour is loaded and called."""
    paths = [path for path in kind.named_code(estimator) if is_own(path.partition(":")[0])]
    if kind.names_classes:
        paths += own_code(estimator)
    if ":" in kind.name:
        paths.append(kind.name)
    return {path: FunctionRef(path).digest for path in sorted(set(paths))}


def model_code(manifest: ModelManifest) -> Code:
    """Digests of the local code that the model runs, for the scores' identity and for comparison on workers.

    Raises RecipeError if some of it cannot be imported here.
    """
    own = [(key, ref.digest) for key, ref in _functions(manifest).items()]
    return (*own, *((package, label(package)) for package in manifest.packages))


def check_code(manifest: ModelManifest, code: Code, uri: str) -> None:
    """Check the code before a worker loads a model.

    Raises:
        EngineError: the code that it runs is not the task's.
        ModelError: it runs code unknown to the task.
    """
    expected = dict(code)
    for key, ref in _functions(manifest).items():
        if key in expected:
            FunctionRef(ref.path, ref.pickled, expected[key]).verified()
        elif ref.pickled is None:  # what is sent by value is pinned by the model's ``model.json``
            raise ModelError(f"model {uri} runs {ref.path}, which the other models of this run do not; train it alike")


def changed_code(manifest: ModelManifest) -> list[str]:
    """Import paths of code that the model runs and that has changed since training."""
    changed = [path for path, digest in manifest.code.items() if FunctionRef(path).digest != digest]
    if manifest.recipe.features is not None and manifest.recipe.digest != manifest.recipe_digest:
        changed.append(manifest.recipe.features.path)
    return changed


def _functions(manifest: ModelManifest) -> dict[str, FunctionRef]:
    refs = [] if manifest.recipe.features is None else [manifest.recipe.features]
    flavour = [manifest.flavor] if ":" in manifest.flavor else []
    refs += [FunctionRef(path) for path in sorted({*manifest.code, *flavour})]
    return {_key(ref): ref for ref in refs}


def _key(ref: FunctionRef) -> str:
    if ref.pickled is None:
        return ref.path
    return f"{ref.path} {hashlib.sha256(ref.pickled.encode()).hexdigest()[:16]}"
