"""The user's code that a model runs when it scores: its features function, its own classes, its own flavour.

A pickled estimator names its classes; their code lies elsewhere and can change under it.
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
from airflow_batchscore.model.packages import is_own, label

if TYPE_CHECKING:
    from airflow_batchscore.model.artifact import ModelManifest
    from airflow_batchscore.model.flavors import Flavor

#: Flavours whose files name classes. The others' hold the model itself, or the code with it (MLflow).
_NAME_CLASSES = {"joblib", "skops"}
#: Digest of each function and class, for a worker to compare with what it has.
Code = tuple[tuple[str, str], ...]


class _Nowhere(io.RawIOBase):
    def write(self, data: Any) -> int:
        return len(data)


def own_code(estimator: Any) -> list[str]:
    """Import paths of the user's own classes, functions and objects that an estimator is made of."""
    return sorted(f"{module}:{name}" for module, name in _made_of(estimator) if "<" not in name and is_own(module))


def packages(estimator: Any, kind: Flavor) -> list[str]:
    """Installed packages, by the name that is imported, whose code loading and calling a model runs."""
    found = {module.partition(".")[0] for module, _ in _made_of(estimator) if not is_own(module)}
    found |= {module_of(name) for name in kind.libraries}
    return sorted(found - set(sys.stdlib_module_names))


def _made_of(estimator: Any) -> set[tuple[str, str]]:
    """Module and name of all that a pickle of an estimator holds by name only."""
    found = {(kind.__module__, kind.__qualname__) for kind in type(estimator).__mro__}

    class Watching(pickle.Pickler):
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, (type, types.FunctionType)):
                if value.__module__:
                    found.add((value.__module__, value.__qualname__))
                return NotImplemented
            reduce = copyreg.dispatch_table.get(type(value))
            made: Any = reduce(value) if reduce else value.__reduce_ex__(5)
            if isinstance(made, str):  # a cached function, a function of C, an object that says where it stands
                found.update((module, made) for module in _home(value, made))
            return made

    try:
        Watching(_Nowhere(), protocol=5, buffer_callback=lambda _: None).dump(estimator)
    except Exception:  # what does not pickle is written down by its own flavour, and its class is seen
        return found
    return found


def _home(value: Any, name: str) -> list[str]:
    """The module where what pickles as a name stands; a library's, if it stands in one of the user's own, too."""
    home = getattr(value, "__module__", None)
    modules = [module for module in ([home] if home else list(sys.modules)) if _stands_at(value, module, name)]
    return sorted(modules, key=is_own)[:1]


def _stands_at(value: Any, module: str, name: str) -> bool:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def estimator_code(estimator: Any, kind: Flavor) -> dict[str, str]:
    """Import path -> digest of the user's own code that loading and calling a model of this flavour runs."""
    paths: list[str] = []
    if kind.name in _NAME_CLASSES:
        paths = own_code(estimator)
    elif ":" in kind.name:
        paths = [*own_code(estimator), kind.name]
    elif kind.name == "torch-state" and is_own(estimator.module_factory.partition(":")[0]):
        paths = [estimator.module_factory]
    return {path: FunctionRef(path).digest for path in sorted(set(paths))}


def model_code(manifest: ModelManifest) -> Code:
    """The code that is here of all that the model runs, for its scores' identity and for workers to compare with.

    Raises RecipeError: some of it cannot be imported here.
    """
    own = [(key, ref.digest) for key, ref in _functions(manifest).items()]
    return (*own, *((package, label(package)) for package in manifest.packages))


def check_code(manifest: ModelManifest, code: Code, uri: str) -> None:
    """Before a model is loaded on a worker.

    Raises:
        EngineError: the code that it runs is not that of the task.
        ModelError: it runs code that the task knows nothing of.
    """
    expected = dict(code)
    for key, ref in _functions(manifest).items():
        if key in expected:
            FunctionRef(ref.path, ref.pickled, expected[key]).verified()
        elif ref.pickled is None:  # what travels by value is pinned with the model's ``model.json``
            raise ModelError(f"model {uri} runs {ref.path}, which the other models of this run do not; train it alike")


def changed_code(manifest: ModelManifest) -> list[str]:
    """Import paths of what the model runs and was other code when it was trained."""
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
