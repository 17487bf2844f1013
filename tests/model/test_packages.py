"""Whose code a module is, and what identifies it."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
import types
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT

from airflow_batchscore.model.packages import built, is_own, label, readable, top_level

pytestmark = pytest.mark.unit


def test_installed_packages_count_by_version(tmp_path: Path) -> None:
    """Those that are all Python also by what their installer wrote down: a build of one's own may keep its version."""
    (tmp_path / "site-packages" / "ours").mkdir(parents=True)
    (tmp_path / "use_ours.py").write_text("from ours import scale\ndef features(x): return scale(x)")
    script = (
        "from airflow_batchscore.model.functions import FunctionRef; print(FunctionRef('use_ours:features').digest)"
    )

    def digest(version: str, recorded: str, code: str) -> str:
        (tmp_path / "site-packages" / "ours" / "__init__.py").write_text(code)
        info = tmp_path / "site-packages" / "ours-1.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ours\nVersion: {version}\n")
        (info / "RECORD").write_text(f"ours/__init__.py,sha256={recorded},30\n")
        path = f"{tmp_path}:{tmp_path / 'site-packages'}:{ROOT}"
        env = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return run_command([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env).stdout

    before = digest("1.0", "abc", "def scale(x): return x")
    assert digest("1.0", "abc", "def scale(x): return x  # why") == before
    assert digest("1.1", "abc", "def scale(x): return x") != before
    assert digest("1.0", "abd", "def scale(x): return -x") != before


def test_a_module_that_goes_by_a_short_name_belongs_to_the_package_that_it_lies_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``_loss`` of scikit-learn up to 1.8 does, which was taken for the user's own and could not be taken apart."""
    folder = tmp_path / "site-packages" / "shortening"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('__version__ = "1.2"')
    (folder / "_short_name.py").touch()
    for name, file in (("shortening", "__init__.py"), ("_short_name", "_short_name.py")):
        spec = spec_from_file_location(name, folder / file)
        assert spec is not None
        assert spec.loader is not None
        monkeypatch.setitem(sys.modules, name, module := module_from_spec(spec))
        spec.loader.exec_module(module)
    assert not is_own("_short_name")
    assert top_level("_short_name") == "shortening"
    assert label("_short_name") == label("shortening") == "shortening==1.2"


def test_a_compiled_module_of_ones_own_counts_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "uses.py").write_text("import fast\ndef features(x): return x * fast.k()")
    script = "from airflow_batchscore.model.functions import FunctionRef; print(FunctionRef('uses:features').digest)"
    source = (
        "#include <Python.h>\n"
        "static PyObject *k(PyObject *s, PyObject *a) { return PyLong_FromLong(1); }\n"
        'static PyMethodDef all[] = {{"k", k, METH_NOARGS, ""}, {0}};\n'
        'static struct PyModuleDef fast = {PyModuleDef_HEAD_INIT, "fast", 0, -1, all};\n'
        "PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&fast); }\n"
    )
    include = sysconfig.get_paths()["include"]
    if not (Path(include) / "Python.h").exists():
        pytest.skip("Python's headers are not there")
    found = []
    for value in ("1", "1", "2"):
        (tmp_path / "fast.c").write_text(source.replace("Long(1)", f"Long({value})"))
        (tmp_path / "fast.so").unlink(missing_ok=True)
        compiler = ["cc", "-shared", "-fPIC", "-I", include, "fast.c", "-o", "fast.so"]
        run_command(compiler, check=True, cwd=tmp_path)
        env = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        done = run_command([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
        found.append(done.stdout)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    "module", ["json", "json.decoder", "sys", "numpy.linalg", "airflow_batchscore.model", "airflow.sdk", "pyspark.sql"]
)
def test_modules_of_python_and_of_packages_are_not_the_users(module: str) -> None:
    assert not is_own(module)


def test_a_users_module_is_theirs_whether_or_not_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs_alone.py").touch()
    (tmp_path / "theirs_in_a_folder").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert is_own("theirs_alone")
    assert is_own("theirs_in_a_folder.part")
    assert "theirs_alone" not in sys.modules
    assert is_own(__name__)
    assert is_own("__main__")
    assert is_own("made_by_no_file")


def test_a_file_copied_into_site_packages_is_theirs_unless_it_has_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site-packages"
    for name in ("copied", "versioned"):
        module = types.ModuleType(name)
        module.__file__ = str(site / f"{name}.py")
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["versioned"].__version__ = "1.2"  # type: ignore[attr-defined]
    assert is_own("copied")
    assert not is_own("versioned")
    assert label("versioned") == "versioned==1.2"


def test_a_package_is_called_by_its_import_name_with_its_version() -> None:
    import sklearn

    assert label("sklearn.linear_model").split() == [f"sklearn=={sklearn.__version__}"]
    assert label("json.decoder") == "json"
    assert label("joblib.parallel").split()[0].startswith("joblib==")
    assert len(label("joblib").split()[1]) == 64  # all Python: what its installer recorded


def test_a_package_of_another_name_is_known_once_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed packages are searched again when the import path has changed."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    assert label("not_installed") == "not_installed=="
    info = site / "of_another_name-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of-another-name\nVersion: 1.5\n")
    (info / "top_level.txt").write_text("installed_since\n")
    assert label("installed_since").split() == ["installed_since==1.5"]


def test_a_dag_file_is_shown_under_its_own_name() -> None:
    assert readable("unusual_prefix_0123abcd_my_dag_of_may") == "my_dag_of_may"
    assert readable("my_dag") == "my_dag"


def test_only_a_compiled_module_of_ones_own_has_a_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = types.ModuleType("theirs_compiled")
    compiled.__file__ = str(tmp_path / f"theirs_compiled{EXTENSION_SUFFIXES[0]}")
    Path(compiled.__file__).write_bytes(b"machine code")
    monkeypatch.setitem(sys.modules, "theirs_compiled", compiled)
    assert built("theirs_compiled") == hashlib.sha256(b"machine code").hexdigest()
    assert [built(name) for name in (__name__, "numpy._core._multiarray_umath", "sys", "nowhere")] == [None] * 4
