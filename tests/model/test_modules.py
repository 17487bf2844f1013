"""What code reaches in modules: by import, by attribute, and as a value."""

from __future__ import annotations

import importlib
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.digest import code_digest

pytestmark = pytest.mark.unit

Digest = Callable[..., str]
Notices = Callable[..., bool]

#: Source of ``shop.recipe`` with a 1 that becomes 2; a second text is that of ``shop.part.deep``, which it uses.
NOTICED: dict[str, tuple[str, ...]] = {
    "another function of numpy": ("import numpy as np\ndef features(x): return np.atleast_1d(x)",),
    "one imported from numpy": ("from numpy import atleast_1d as f\ndef features(x): return f(x)",),
    "one that is imported": ("from shop.part.deep import __k\ndef features(x): return x * __k", "__k = 1"),
    "a package in a variable": ("import shop.part\ndef features(x):\n    h = shop.part\n    return h.deep.K", "K = 1"),
    "a package of another name in a variable": (
        "from shop import part as p\ndef features(x):\n    h = p\n    return h.deep.K",
        "K = 1",
    ),
    "a package as a default": ("from shop import part\ndef features(x, h=part): return h.deep.K", "K = 1"),
    "a package in a list": ("from shop import part\nL = [part]\ndef features(x): return L[0].deep.K", "K = 1"),
    "a package that goes to a helper": (
        "from shop import part\ndef h(m): return m.deep.K\ndef features(x): return h(part)",
        "K = 1",
    ),
    "a package above one in a variable": (
        "import shop\nimport shop.part.deep\ndef features(x):\n    h = shop\n    return h.part.deep.K",
        "K = 1",
    ),
    "a package that has it by another name": (
        "from shop import part\nS = {'p': part}\ndef features(x): return S['p'].other.K",
        "K = 1",
    ),
}


@pytest.mark.parametrize("case", NOTICED)
def test_is_noticed(notices: Notices, case: str) -> None:
    assert notices(*NOTICED[case])


#: Import in ``shop.recipe`` -> how the function then uses ``shop.clean``, whose ``strip`` changes.
IMPORTS = {
    "from shop.clean import strip": "strip(x)",
    "from shop import clean": "clean.strip(x)",
    "from . import clean as c": "c.strip(x)",
    "import shop.clean": "shop.clean.strip(x)",
    "from shop.middle import also": "also(x)",
    "from shop.middle import clean": "clean.strip(x)",
}


@pytest.mark.parametrize("inside", [False, True], ids=["in the module", "in the function"])
@pytest.mark.parametrize("line", IMPORTS)
def test_a_helper_in_another_module_is_noticed(digest: Digest, line: str, inside: bool) -> None:
    use = IMPORTS[line]
    lines = [f"def features(x):\n    {line}\n    return {use}"] if inside else [line, f"def features(x): return {use}"]
    middle = "from . import clean\ndef also(x): return clean.strip(x)"
    helper = "K = 1\ndef strip(x): return x - K\ndef unused(x): return x"
    before = digest(*lines, clean=helper, middle=middle)
    assert digest(*lines, clean=helper.replace("K = 1", "K = 2"), middle=middle) != before
    assert digest(*lines, clean=helper.replace("x - K", "x + K"), middle=middle) != before
    assert digest(*lines, clean=helper.replace("return x\n", "return -x\n"), middle=middle) == before


@pytest.mark.parametrize(
    "source",
    [
        "import shop\ndef features(x): return shop.clean.clean(x).merge(x).plot",
        "import shop.clean\ndef features(x): return shop.clean.clean(x).merge(x).plot",
        "from shop import clean\ndef features(x): return clean.clean(x).merge(x).plot",
        "def features(x):\n    import shop.clean\n    return shop.clean.clean(x).merge(x).plot",
        "def features(x):\n    from shop import clean\n    return clean.clean(x).merge(x).plot",
    ],
)
def test_what_else_was_imported_before_does_not_count(digest: Digest, source: str) -> None:
    files = {"clean": "def clean(x): return x", "merge": "K = 1", "plot": "K = 1"}
    before = digest(source, **files)
    assert digest(source, **{**files, "clean": "def clean(x): return -x"}) != before
    digest(source, **files)
    for name in ("merge", "plot"):
        importlib.import_module(f"shop.{name}")
    known = sys.modules["shop.recipe"].features
    assert code_digest(types.FunctionType(known.__code__, known.__globals__, "features"), "features") == before


def test_a_module_that_is_handed_on_counts_whole(digest: Digest) -> None:
    lines = [
        "from . import clean",
        "def features(x): return apply(clean, x)",
        "def apply(m, x): return getattr(m, 'f')(x)",
    ]
    before = digest(*lines, clean="def f(x): return x")
    assert digest(*lines, clean="def f(x): return -x") != before


def test_an_import_in_a_function_that_is_not_there_is_for_the_function_to_say(digest: Digest) -> None:
    source = (
        "def features(x):\n    try:\n        import shop.fast as f\n    except ImportError:\n        pass\n    return f"
    )
    assert digest(source) != digest(source, fast="K = 1")


def test_checking_a_dag_files_function_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "my_helper.py").write_text("K = 1")
    (tmp_path / "dag.py").write_text(
        "from airflow_batchscore import Recipe\n"
        "def features(x):\n    import my_helper, pandas\n    return x * my_helper.K\n"
        "Recipe(features=features)\n"
        "import sys\nprint([name for name in ('my_helper', 'pandas', 'numpy') if name in sys.modules])\n"
    )
    env = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = run_command([sys.executable, str(tmp_path / "dag.py")], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "[]\n"


def test_what_cannot_be_digested_is_named_where_it_is_imported(digest: Digest) -> None:
    with pytest.raises(RecipeError, match=r"shop\.clean:strip uses ROWS, a builtins\.generator that"):
        digest(
            "from .clean import strip\ndef features(x): return strip(x)",
            clean="ROWS = (x for x in [])\ndef strip(x): return ROWS",
        )


def test_a_submodule_of_what_is_handed_on_counts_whether_or_not_it_was_imported_before(digest: Digest) -> None:
    source = "from shop import part\ndef features(x, h=part): return h.deep.K"
    files = {"part/__init__": "", "part/deep": "K = 1", "part/other": "K = 1"}
    before = digest(source, **files)
    assert digest("import shop.part.deep, shop.part.other\n" + source, **files) == before
    assert digest(source, **{**files, "part/deep": "K = 2"}) != before
    assert digest(source, **{**files, "part/other": "K = 2"}) == before, "no code names it"
