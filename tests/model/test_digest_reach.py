"""What counts as code, beyond names that are looked up in plain sight."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from commands import run_command
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.preprocessing import FunctionTransformer
from support import ROOT

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.digest import value_digest
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.model_code import own_code, packages

pytestmark = pytest.mark.unit

Digest = Callable[..., str]

#: Source of ``shop.recipe`` with a 1 that becomes 2; a second text is that of ``shop.part.deep``, which it uses.
NOTICED = {
    "a name that begins with two underscores": ("__K = 1\ndef features(x): return x * __K",),
    "a helper of such a name": ("def __h(x): return x * 1\ndef features(x): return __h(x)",),
    "one that is imported": ("from shop.part.deep import __k\ndef features(x): return x * __k", "__k = 1"),
    "a name that begins and ends so": ("__limit__ = 1\ndef features(x): return x * __limit__",),
    "an attribute that begins so": ("def features(x): return x * features.__k\nfeatures.__k = 1",),
    "an attribute of an object that begins so": (
        "class O: pass\nX = O()\nsetattr(X, '__k', 1)\ndef features(x): return x * vars(X)['__k']",
    ),
    "a name in a query": ("K = 1\ndef features(x): return x.query('a>@K')",),
    "a name in a query in a nested function": ("K = 1\ndef features(x): return (lambda: x.eval(f'a * @K + {x}'))()",),
    "a function in a query that is a global": (
        "def h(x): return x + 1\nQ = 'a == @h(a)'\ndef features(x): return x.query(Q)",
    ),
    "a name in a query that is a default": ("K = 1\ndef features(x, q='a > @K'): return x.query(q)",),
    "a name in a query in a dictionary": ("K = 1\nQ = {'q': 'a > @K'}\ndef features(x): return x.query(Q['q'])",),
    "a name in a query in a list": ("K = 1\nQ = ['a > @K']\ndef features(x): return [x.query(q) for q in Q]",),
    "a name in a query in an array": (
        "import numpy as np\nK = 1\nQ = np.array(['a > @K'])\ndef features(x): return [x.query(q) for q in Q]",
    ),
    "a name in a query in a set": ("K = 1\nQ = {'a > @K', 'b'}\ndef features(x): return [x.query(q) for q in Q]",),
    "a name in a query of a class": ("K = 1\nclass C: q = 'a > @K'\ndef features(x): return x.query(C.q)",),
    "a name in a query of a helper": ("K = 1\ndef h(): return 'a > @K'\ndef features(x): return x.query(h())",),
    "a name in a query of another module": (
        "from shop.part.deep import Q\nK = 1\ndef features(x): return x.query(Q[0])",
        "Q = ['a > @K']",
    ),
    "a name of another module in a query": (
        "from shop.part.deep import h\ndef features(x): return h(x, 'a > @K')",
        "K = 1\ndef h(x, q): return x.query(q)",
    ),
    "a query in a function that is in a set": (
        "K = 1\nQ = 'a > @K'\nS = {lambda x: x.query(Q)}\ndef features(x): return [s(x) for s in S]",
    ),
    "a name in a query that another one names": (
        "K = 1\nQ = ['a == @h(a)']\nR = ['a * @K']\ndef h(x): return x.eval(R[0])\n"
        "def features(x): return x.query(Q[0])",
    ),
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
    "a closure variable called cache_token": (
        "def make(cache_token):\n    def f(x): return x * cache_token\n    return f\nfeatures = make(1)",
    ),
    "a class that is made by a function": (
        "import dataclasses\nC = dataclasses.make_dataclass('C', ['x'], namespace={'k': lambda self: 1})\n"
        "def features(x): return C(x).k()",
    ),
    "a class that ABCMeta makes": (
        "from abc import ABCMeta\nC = ABCMeta('C', (), {'k': lambda self: 1})\ndef features(x): return C().k()",
    ),
    "what numpy makes of a function": (
        "import numpy as np\nN = (True, True)\nG = np.frompyfunc(lambda *x: x * 1, *N)\ndef features(x): return G(x)",
    ),
    "a frame of a class of one's own": (
        "import pandas as pd\nclass T(pd.DataFrame):\n    def k(self): return 1\nX = T()\n"
        "def features(x): return x * X.k()",
    ),
    "what such a frame keeps": (
        "import pandas as pd\nclass T(pd.Series):\n    _metadata = ['unit']\nX = T([5])\nX.unit = 1\n"
        "def features(x): return x * X.unit",
    ),
    "a path of a class of one's own": (
        "import pathlib\nclass P(type(pathlib.Path())):\n    def k(self): return 1\nX = P('/a')\n"
        "def features(x): return x * X.k()",
    ),
    "a logger of a class of one's own": (
        "import logging\nclass L(logging.Logger): pass\nX = L('a')\nX.k = 1\ndef features(x): return x * X.k",
    ),
    "an attribute of a set of a class of one's own": (
        "class S(set): pass\nX = S('ab')\nX.k = 1\ndef features(x): return x * X.k",
    ),
    "what an object that pickles as its name holds": (
        "class O:\n    def __reduce__(self): return 'X'\nX = O()\nX.k = 1\ndef features(x): return x * X.k",
    ),
    "a field of an object of pydantic": (
        "from pydantic import BaseModel\nclass P(BaseModel):\n    k: int\nX = P(k=1)\ndef features(x): return x * X.k",
    ),
    "a function that is put into a library": (
        "import json\njson.mine = lambda x: x + 1\ndef features(x): return json.mine(x)",
    ),
    "a method that is put onto a class of a library": (
        "from fractions import Fraction\ndef k(self): return 1\nFraction.mine = k\nX = Fraction(5)\n"
        "def features(x): return x * X.mine()",
    ),
    "attrs of a frame": (
        "import pandas as pd\nT = pd.DataFrame()\nT.attrs['k'] = 1\ndef features(x): return x * T.attrs['k']",
    ),
}


@pytest.mark.parametrize("case", NOTICED)
def test_is_noticed(digest: Digest, tmp_path: Path, case: str) -> None:
    source, deep = (*NOTICED[case], "")[:2]
    assert (source + deep).count("1") == 1

    def of(value: str) -> str:
        (tmp_path / "shop" / "part").mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / "part" / "__init__.py").write_text("from . import deep\nfrom . import deep as other")
        (tmp_path / "shop" / "part" / "deep.py").write_text(deep.replace("1", value))
        return digest(source.replace("1", value))

    before = of("1")
    assert of("1") == before
    assert of("2") != before
    for library, name in ((json, "mine"), (Fraction, "mine")):
        if name in vars(library):
            delattr(library, name)


def test_a_submodule_of_what_is_handed_on_counts_whether_or_not_it_was_imported_before(digest: Digest) -> None:
    source = "from shop import part\ndef features(x, h=part): return h.deep.K"
    files = {"part/__init__": "", "part/deep": "K = 1", "part/other": "K = 1"}
    before = digest(source, **files)
    assert digest("import shop.part.deep, shop.part.other\n" + source, **files) == before
    assert digest(source, **{**files, "part/deep": "K = 2"}) != before
    assert digest(source, **{**files, "part/other": "K = 2"}) == before, "no code names it"


def test_an_address_in_a_text_is_no_name_in_a_query(digest: Digest) -> None:
    source = "K = 1\nk = 1\ndef features(x): return x.query('a == \"me@K.org\"')"
    assert digest(source) == digest(source.replace("1", "2"))


@pytest.fixture
def on_pandas(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take off what a test puts onto classes of pandas."""
    monkeypatch.setattr(pd.DataFrame, "_accessors", set(pd.DataFrame._accessors))
    yield
    for kind in (pd.DataFrame, pd.Series):
        for name in {"mine", "other"} & set(vars(kind)):
            delattr(kind, name)


@pytest.mark.usefixtures("on_pandas")
@pytest.mark.filterwarnings("ignore:registration of accessor")
@pytest.mark.parametrize(
    "source",
    [
        "@pd.api.extensions.register_dataframe_accessor('mine')\nclass Mine:\n"
        "    def __init__(self, x): self.x = x\n    def k(self): return self.x * 1\n"
        "def features(x): return x.mine.k()",
        "def scaled(self): return self * 1\npd.Series.mine = scaled\ndef features(x): return x.a.mine()",
        "pd.DataFrame.mine = property(lambda self: self * 1)\ndef features(x): return x.mine",
    ],
    ids=["an accessor", "a method", "a property"],
)
def test_what_is_put_onto_pandas_counts_where_its_name_is_used(digest: Digest, source: str) -> None:
    source = f"import pandas as pd\n{source}"
    assert digest(source) == digest(source)
    assert digest(source) != digest(source.replace("* 1", "* 2"))
    unused = source.rpartition("\n")[0] + "\ndef features(x): return x.other"
    assert digest(unused) == digest(unused.replace("* 1", "* 2"))


FREQUENT = pd.date_range("2020", periods=1, freq="D")
SCHEMA = pa.schema([("a", pa.int64())])
LONG = {"k": "x" * 200 + "1"}
FIELD = pa.field("a", pa.int64())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (FREQUENT, pd.date_range("2020", periods=1, freq="2D")),
        (FREQUENT, pd.DatetimeIndex(list(FREQUENT))),
        (
            pd.DatetimeIndex([], freq=pd.offsets.CustomBusinessDay(holidays=["2020-01-02"])),
            pd.DatetimeIndex([], freq=pd.offsets.CustomBusinessDay(holidays=["2020-01-03"])),
        ),
        (pd.DataFrame(index=FREQUENT), pd.DataFrame(index=list(FREQUENT))),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), pd.DataFrame([[3, 2]], columns=["a", "a"])),
        (pd.Series([1]), pd.Series([1]).set_flags(allows_duplicate_labels=False)),
        (SCHEMA, SCHEMA.with_metadata(LONG)),
        (SCHEMA.with_metadata({"k": "x" * 200}), SCHEMA.with_metadata(LONG)),
        (pa.table({"a": [1]}), pa.table({"a": [1]}).replace_schema_metadata(LONG)),
        (pa.table([[1], [5]], names=["a", "a"]), pa.table([[2], [5]], names=["a", "a"])),
        (pa.record_batch([[1], [5]], names=["a", "a"]), pa.record_batch([[2], [5]], names=["a", "a"])),
        (FIELD, FIELD.with_metadata({"k": "1"})),
        (FIELD, FIELD.with_nullable(False)),
        (pa.array([1], pa.int32()), pa.array([1], pa.int64())),
        (pa.int32(), pa.int64()),
        (pa.schema([]), pa.schema([], metadata={"k": "1"})),
        (np.frompyfunc(len, 1, 1), np.frompyfunc(abs, 1, 1)),
    ],
)
def test_values_that_differ_in_what_stands_beside_them_are_others(one: Any, other: Any) -> None:
    assert value_digest(one, "a value") != value_digest(other, "a value")
    for value in (one, other):
        if not isinstance(value, np.ufunc):
            copied = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
            assert value_digest(copied, "it") == value_digest(value, "it")


def test_loggers_and_paths_of_pythons_own_classes_count_as_before() -> None:
    assert value_digest(logging.getLogger("a"), "it") == value_digest(logging.Logger("b"), "it")
    used = pathlib.Path("/a")
    str(used.parent), used.name, hash(used)
    assert value_digest(used, "it") == value_digest(pathlib.Path("/a"), "it")


@lru_cache
def price(code: int) -> int:
    return code


class Named:
    """Pickles as its name."""

    def __reduce__(self) -> str:
        return "SINGLE"


SINGLE = Named()


class Bound(BaseEstimator):
    def __init__(self, function: Any = None) -> None:
        self.function = function

    def of(self, x: Any) -> Any:
        return x


def applied(x: Any, f: Any) -> Any:
    return f(x)


@pytest.mark.parametrize(
    ("held", "name"),
    [(price, "price"), (SINGLE, "SINGLE"), ([{"a": price}], "price"), (Bound(Bound(price)).of, "price")],
)
def test_what_an_estimator_holds_by_name_is_own_code(held: Any, name: str) -> None:
    made = own_code(FunctionTransformer(applied, kw_args={"f": held}))
    assert {f"{__name__}:{name}", f"{__name__}:applied"} <= set(made)
    assert all(len(FunctionRef(path).digest) == 64 for path in made)


def test_a_function_of_a_library_is_of_its_package_whoever_imported_it_first() -> None:
    held = FunctionTransformer(expit)
    assert own_code(held) == []
    assert "scipy" in packages(held, flavor("joblib"))


def test_machine_code_that_only_its_name_is_known_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_batchscore.model import canonical_tables

    monkeypatch.setattr(canonical_tables, "_library_modules", list)  # as if it stood in none
    with pytest.raises(RecipeError, match="a value uses a value, a numpy.ufunc that is machine code"):
        value_digest(expit, "a value")


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


@pytest.mark.parametrize(("before", "after"), [("1", 2), ("1", 1.0), ("(1, 'a')", (1, "b")), ("None", 0.5)])
@pytest.mark.parametrize(
    "files",
    [
        {"recipe": "from shop.clean import f as features", "clean": "K = {}\ndef f(x): return K"},
        {"recipe": "import shop.clean\ndef features(x): return shop.clean.K", "clean": "K = {}"},
        {"recipe": "from .clean import C\ndef features(x): return C.K", "clean": "class C:\n    K = {}"},
    ],
    ids=["a global", "of a module", "of a class"],
)
def test_a_constant_that_is_set_anew_in_this_process_is_noticed(
    digest: Digest, files: dict[str, str], before: str, after: Any
) -> None:
    first = digest(files["recipe"], clean=files["clean"].format(before))
    ref, module = FunctionRef("shop.recipe:features"), sys.modules["shop.clean"]
    holder = getattr(module, "C", module)
    old = holder.K
    holder.K = after
    assert ref.digest != first
    assert ref.load()(1) == after
    holder.K = old
    assert ref.digest == first


@pytest.mark.parametrize(
    "source",
    [
        "K = 1\ndef features(x):\n    global K\n    K += 1\n    return K",
        "K = 1\ndef more():\n    global K\n    K += 1\n    return K\ndef features(x): return more()",
        "class C:\n    K = 1\ndef features(x):\n    C.K += 1\n    return C.K",
        "K = 1\ndef features(x):\n    globals()['K'] += 1\n    return K",
        "class C:\n    K = 1\ndef features(x):\n    setattr(C, 'K', C.K + 1)\n    return C.K",
    ],
)
def test_what_the_code_itself_sets_does_not_change_its_digest(digest: Digest, source: str) -> None:
    before = digest(source)
    ref = FunctionRef("shop.recipe:features")
    assert [ref.load()(1), ref.load()(1)] == [2, 3]
    assert ref.digest == before


def test_a_constant_that_is_set_to_an_equal_one_leaves_the_digest_that_was_taken(digest: Digest) -> None:
    before = digest("K = 10.5\nMEMO = {}\ndef features(x):\n    MEMO[x] = x\n    return K")
    ref = FunctionRef("shop.recipe:features")
    ref.load()(1)
    sys.modules["shop.recipe"].K = float("10.5")
    assert ref.digest == before
