from __future__ import annotations

import functools
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from commands import run_command
from support import ROOT

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.functions import FunctionRef

pytestmark = pytest.mark.unit

SOURCE = """
FACTOR = 2

def helper(x):
    return x * FACTOR

def features(x):
    return helper(x) + 1
"""


def _dag_file(folder: Path, source: str, name: str = "unusual_prefix_abc123_my_dag") -> ModuleType:
    """A module as Airflow imports a DAG file: under a name that no worker can import."""
    path = folder / "my_dag.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    import linecache

    linecache.clearcache()
    with pytest.MonkeyPatch.context() as patch:  # a second version within a second is not taken for the first
        patch.setattr(sys, "dont_write_bytecode", True)
        spec.loader.exec_module(module)
    return module


def test_an_importable_function_travels_by_path() -> None:
    import wta_recipe

    ref = FunctionRef.of(wta_recipe.features)
    assert ref == FunctionRef("wta_recipe:features")
    assert ref.load() is wta_recipe.features


def test_a_function_of_a_dag_file_travels_by_value_with_what_it_uses(tmp_path: Path) -> None:
    ref = FunctionRef.of(_dag_file(tmp_path, SOURCE).features)
    assert ref.path == "my_dag:features"
    again = FunctionRef.from_dict(ref.to_dict())
    load = f"FunctionRef.from_dict({again.to_dict()!r}).load()"
    script = f"from airflow_batchscore.model.functions import FunctionRef; print({load}(20))"
    done = run_command([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "41"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("FACTOR = 2", "FACTOR = 3"), False),
        (("x * FACTOR", "x / FACTOR"), False),
        (("+ 1", "+ 2"), False),
        (("def helper", "# a comment\n\n\ndef helper"), True),
        (("FACTOR = 2", "FACTOR = 2\nSCHEDULE = '@daily'"), True),
    ],
)
def test_the_digest_follows_the_code_a_function_uses_and_nothing_else(
    tmp_path: Path, change: tuple[str, str], same: bool
) -> None:
    before = FunctionRef.of(_dag_file(tmp_path, SOURCE).features).digest
    after = FunctionRef.of(_dag_file(tmp_path, SOURCE.replace(*change)).features).digest
    assert (before == after) is same


@pytest.mark.parametrize(("change", "same"), [(("+ 1", "+ 2"), False), (("+ 1", "+ 1  # why"), True)])
def test_the_digest_of_a_path_follows_the_module_but_not_its_comments(
    tmp_path: Path, change: tuple[str, str], same: bool
) -> None:
    def digest(source: str) -> str:
        (tmp_path / "recipe_under_test.py").write_text(source)
        use = "from airflow_batchscore.model.functions import FunctionRef"
        script = f"{use}; print(FunctionRef('recipe_under_test:features').digest)"
        env = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        return run_command([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env).stdout

    assert (digest(SOURCE) == digest(SOURCE.replace(*change))) is same


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module:f", "cannot be imported here: No module named 'no_such_module'"),
        ("wta_recipe:nothing", "module wta_recipe has no nothing"),
        ("wta_recipe:pd", "is not a function"),
    ],
)
def test_says_what_cannot_be_imported(path: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        FunctionRef.of(path).load()


def test_a_text_that_is_no_path_is_refused() -> None:
    with pytest.raises(RecipeError, match="write 'package.module:function'"):
        FunctionRef.of("features")


def test_a_notebooks_function_has_the_same_digest_on_a_worker_that_was_started_as_a_module(tmp_path: Path) -> None:
    notebook = tmp_path / "notebook.py"
    notebook.write_text(
        "from airflow_batchscore.model.functions import FunctionRef\nK = 2\ndef features(x): return x * K\n"
        "ref = FunctionRef.of(features)\nprint(ref.digest, ref.pickled)"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = run_command([sys.executable, str(notebook)], capture_output=True, text=True, check=True, env=env)
    digest, pickled = done.stdout.split()
    worker = tmp_path / "site-packages" / "worker" / "__main__.py"
    worker.parent.mkdir(parents=True)
    worker.write_text(
        "import sys\nfrom airflow_batchscore.model.functions import FunctionRef\n"
        "ref = FunctionRef('__main__:features', sys.argv[1])\nprint(ref.digest, ref.load()(21))"
    )
    done = run_command(
        [sys.executable, "-m", "worker", pickled],
        capture_output=True,
        text=True,
        check=True,
        env=env | {"PYTHONPATH": f"{worker.parent.parent}:{ROOT}"},
    )
    assert done.stdout.split() == [digest, "42"]


def test_functions_that_travel_may_be_partials_methods_and_objects() -> None:
    class Scaled:
        def __init__(self, k: int) -> None:
            self.k = k

        def by(self, x: int) -> int:
            return x * self.k

        def __call__(self, x: int) -> int:
            return self.by(x)

    def times(x: int, k: int) -> int:
        return x * k

    for function in (functools.partial(times, k=3), Scaled(3).by, Scaled(3)):
        ref = FunctionRef.from_dict(FunctionRef.of(function).to_dict())
        assert ref.load()(2) == 6
        assert len(ref.digest) == 64


def test_a_function_by_value_is_not_loaded_by_another_python() -> None:
    def features(x: int) -> int:
        return x

    ref = FunctionRef.of(features)
    assert ref.pickled is not None
    here, data = ref.pickled.split(":")
    assert here == f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(RecipeError, match=f"was sent by value from Python 3.99, and this is {here}. Put it into"):
        FunctionRef(ref.path, f"3.99:{data}").load()
    assert FunctionRef(ref.path, data).load()(3) == 3  # as earlier versions wrote it
