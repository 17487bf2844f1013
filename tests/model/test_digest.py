"""What counts as code: every change that can change a result is noticed, and nothing else."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import run_command
from support import ROOT

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model import digest as digests
from airflow_batchscore.model.digest import code_digest, value_digest
from airflow_batchscore.model.functions import FunctionRef

pytestmark = pytest.mark.unit

Digest = Callable[..., str]


NOTICED = {
    "a constant in a comprehension": ("K = 1\ndef features(x): return [K * y for y in x]", "K = 1", "K = 2"),
    "a constant in a lambda": ("K = 1\ndef features(x): return x.map(lambda y: y * K)", "K = 1", "K = 2"),
    "a helper in a comprehension in a lambda": (
        "def h(y): return y + 1\ndef features(x): return (lambda: {h(y) for y in x})()",
        "y + 1",
        "y - 1",
    ),
    "a lambda in a module": ("features = lambda x: [y + 1 for y in x]", "y + 1", "y + 2"),
    "a text in a comprehension": ("def features(x): return ['a' for y in x]", "'a'", "'b'"),
    "the middle of an array": (
        "import numpy as np\nW = np.arange(5000.0)\nW[2500] = 7\ndef features(x): return x @ W",
        "] = 7",
        "] = 8",
    ),
    "the middle of a frame": (
        "import pandas as pd\nT = pd.DataFrame({'a': range(500)})\nT.loc[250] = 7\ndef features(x): return x.merge(T)",
        "] = 7",
        "] = 8",
    ),
    "a type in a frame": (
        "import pandas as pd\nT = pd.DataFrame({'a': [1, 2]}, dtype='int32')\ndef features(x): return x.merge(T)",
        "int32",
        "int64",
    ),
    "an object array": (
        "import numpy as np\nW = np.array(['a', 1, None], dtype=object)\ndef features(x): return W",
        "'a', 1",
        "'a', 2",
    ),
    "a set": ("K = {'a', 'b'}\ndef features(x): return x.isin(K)", "'b'", "'c'"),
    "a set in the code": ("def features(x): return x in {'a', 'b'}", "'b'", "'c'"),
    "the order of a dict": (
        "K = {'a': 1, 'b': 2}\ndef features(x): return x.rename(K)",
        "'a': 1, 'b': 2",
        "'b': 2, 'a': 1",
    ),
    "1 and True": ("K = [1]\ndef features(x): return x * K[0]", "[1]", "[True]"),
    "1 and 1.0": ("K = 1\ndef features(x): return x // K", "K = 1", "K = 1.0"),
    "0.0 and -0.0": ("K = 0.0\ndef features(x): return x / K", "K = 0.0", "K = -0.0"),
    "a tuple and a list": ("K = (1, 2)\ndef features(x): return x[K]", "(1, 2)", "[1, 2]"),
    "a default": ("def features(x, k=1): return x * k", "k=1", "k=2"),
    "a default of a keyword": ("def features(x, *, k=1): return x * k", "k=1", "k=2"),
    "a closure": (
        "def make(k):\n    def scaled(x): return x * k\n    return scaled\nfeatures = make(1)",
        "make(1)",
        "make(2)",
    ),
    "a partial": (
        "from functools import partial\ndef f(x, k): return x * k\nfeatures = partial(f, k=1)",
        "k=1",
        "k=2",
    ),
    "what a partial calls": (
        "from functools import partial\ndef f(x, k): return x * k\nfeatures = partial(f, k=1)",
        "x * k",
        "x + k",
    ),
    "what is decorated": (
        "from functools import wraps\n"
        "def twice(f):\n    @wraps(f)\n    def g(x): return f(f(x))\n    return g\n"
        "@twice\ndef features(x): return x + 1",
        "x + 1",
        "x + 2",
    ),
    "a decorator": (
        "from functools import wraps\n"
        "def twice(f):\n    @wraps(f)\n    def g(x): return f(f(x))\n    return g\n"
        "@twice\ndef features(x): return x + 1",
        "f(f(x))",
        "f(x)",
    ),
    "what is cached": (
        "from functools import lru_cache\n@lru_cache\ndef h(y): return y + 1\ndef features(x): return x.map(h)",
        "y + 1",
        "y + 2",
    ),
    "what numpy vectorizes": (
        "import numpy as np\n@np.vectorize\ndef h(y): return y + 1\ndef features(x): return h(x)",
        "y + 1",
        "y + 2",
    ),
    "a method": (
        "class C:\n    def f(self, x): return x + 1\ndef features(x): return C().f(x)",
        "x + 1",
        "x + 2",
    ),
    "an attribute of a base class": (
        "class B:\n    k = 1\nclass C(B):\n    pass\ndef features(x): return x * C.k",
        "k = 1",
        "k = 2",
    ),
    "a property": (
        "class C:\n    @property\n    def k(self): return 1\ndef features(x): return x * C().k",
        "return 1",
        "return 2",
    ),
    "a bound method": (
        "class C:\n    def __init__(self, k): self.k = k\n    def f(self, x): return x * self.k\nfeatures = C(1).f",
        "C(1)",
        "C(2)",
    ),
    "a callable object": (
        "class C:\n    def __init__(self, k): self.k = k\n    def __call__(self, x): return x * self.k\n"
        "features = C(1)",
        "C(1)",
        "C(2)",
    ),
    "a class in a function": (
        "def features(x):\n    class C:\n        k = 1\n    return x * C.k",
        "k = 1",
        "k = 2",
    ),
    "a default of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    k: int = 1\ndef features(x): return x * C().k",
        "= 1",
        "= 2",
    ),
    "a member of an enum": (
        "from enum import Enum\nclass E(Enum):\n    A = 1\ndef features(x): return x * E.A.value",
        "A = 1",
        "A = 2",
    ),
    "a default of a named tuple": (
        "from typing import NamedTuple\nclass C(NamedTuple):\n    k: int = 1\ndef features(x): return x * C().k",
        "= 1",
        "= 2",
    ),
    "a regular expression": (
        "import re\nR = re.compile('a')\ndef features(x): return x.str.match(R)",
        "'a'",
        "'a', re.I",
    ),
    "a path": (
        "from pathlib import Path\nP = Path('/data/a')\ndef features(x): return x + str(P)",
        "/data/a",
        "/data/b",
    ),
    "a date": (
        "from datetime import date\nD = date(2020, 1, 1)\ndef features(x): return x - D",
        "1, 1)",
        "1, 2)",
    ),
    "a fitted scaler": (
        "from sklearn.preprocessing import StandardScaler\nS = StandardScaler().fit([[0.0], [1.0]])\n"
        "def features(x): return S.transform(x)",
        "[1.0]",
        "[2.0]",
    ),
    "an Arrow table": (
        "import pyarrow as pa\nT = pa.table({'a': [1, None]})\ndef features(x): return T",
        "None",
        "3",
    ),
    "an except clause": (
        "def features(x):\n    try: return 1 / x\n    except ZeroDivisionError: return 0",
        "ZeroDivisionError",
        "Exception",
    ),
    "another function of numpy": ("import numpy as np\ndef features(x): return np.log(x)", "np.log", "np.log2"),
    "one imported from numpy": (
        "from numpy import log as f\ndef features(x): return f(x)",
        "import log as",
        "import log2 as",
    ),
}


@pytest.mark.parametrize("case", NOTICED)
def test_is_noticed(digest: Digest, case: str) -> None:
    source, old, new = NOTICED[case]
    assert source.count(old) >= 1
    before = digest(source)
    assert digest(source) == before
    assert digest(source.replace(old, new)) != before


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


def test_a_default_of_a_pydantic_model_is_noticed_and_what_pydantic_makes_of_it_is_not(digest: Digest) -> None:
    pytest.importorskip("pydantic")
    source = (
        "from pydantic import BaseModel\nclass P(BaseModel):\n    k: int = 1\n    names: set[str] = {'a', 'b'}\n"
        "def features(x): return x * P().k"
    )
    assert digest(source) == digest(source)
    assert digest(source.replace("k: int = 1", "k: int = 2")) != digest(source)


NOT_NOTICED = {
    "comments, blank lines, docstrings": (
        "def h(x): return x\ndef features(x): return h(x)",
        "# why\n\n\ndef h(x):\n    'What it does.'\n\n    # how\n    return x\ndef features(x): return h(x)",
    ),
    "annotations": ("def features(x): return x", "def features(x: int) -> int: return x"),
    "what is not used": ("def features(x): return x", "K = 1\ndef other(x): return K\ndef features(x): return x"),
    "the order of a set": (
        "K = {'a', 'b', 'c'}\ndef features(x): return K",
        "K = {'c', 'b', 'a'}\ndef features(x): return K",
    ),
    "a logger": (
        "import logging\nlog = logging.getLogger('a')\ndef features(x): log.info(x)",
        "import logging\nlog = logging.getLogger('b')\ndef features(x): log.info(x)",
    ),
    "a lock": (
        "import threading\nL = threading.Lock()\ndef features(x):\n    with L: return x",
        "import threading\nL = threading.Lock()\nL.acquire()\ndef features(x):\n    with L: return x",
    ),
    "a docstring of a class": (
        "class C:\n    k = 1\ndef features(x): return C.k",
        "class C:\n    'A class.'\n    k = 1\ndef features(x): return C.k",
    ),
    "where a class in a function stands": (
        "def features(x):\n    class C:\n        k = 1\n    return C.k",
        "\n\ndef features(x):\n    class C:\n        'A class.'\n        k = 1\n    return C.k",
    ),
}


@pytest.mark.parametrize("case", NOT_NOTICED)
def test_is_not_noticed(digest: Digest, case: str) -> None:
    before, after = NOT_NOTICED[case]
    assert digest(before) == digest(after)


EVERYTHING = """
import dataclasses, functools, logging, os, re, threading
from collections.abc import Sized
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import expit
from scipy.stats import norm
from numpy.random import rand
from sklearn.ensemble import RandomForestClassifier

class Plain:
    def __init__(self): self.words = {"x", "y", "z"}
class Slots:
    __slots__ = ("a", "b")
    def __init__(self): self.a = frozenset({"p", "q"})
class Kind(Enum):
    A = "a"
class Loop:
    def __init__(self): self.me = self
    def again(self): return Loop()
@dataclass(frozen=True)
class Point:
    x: float = 0.0
@functools.lru_cache
def cached(x): return helper(x)
def helper(x): return features(x) if x else log
if os.environ["PYTHONHASHSEED"] == "2":
    Sized.register(type("Other", (), {}))
@functools.singledispatch
def size(x): return 0
@size.register(Sized)
def _(x): return len(x)
class Table(pd.DataFrame):
    _metadata = ["unit"]
class Own(logging.Logger): pass
class Words(set): pass
class Named:
    def __init__(self): self.words = {"x", "y", "z"}
    def __reduce__(self): return "NAMED"
NAMED = Named()
Made = dataclasses.make_dataclass("Made", ["x"], namespace={"k": lambda self: helper(self)})
__LIMIT = {"a", "b", "c"}
TABLE = Table({"a": [1]}, index=pd.date_range("2020", periods=1, freq="2D"))
TABLE.unit, TABLE.attrs["k"] = {"a", "b"}, {"c", "d"}
SCHEMA = pa.schema([("a", pa.int64()), pa.field("b", pa.list_(pa.string()), metadata={"x": "y"})], {"k": "v", "l": "w"})
if os.environ["PYTHONHASHSEED"] == "2":
    import json.tool, xml.dom.minidom
log = logging.getLogger(__name__)
HERE = Path(__file__).parent / "lookup.csv"
VALUES = [
    {"a", "b", ("c", 1), None, frozenset({"d", "e"})}, {Kind.A: Plain()}, Plain(), Slots(), Loop(), object(),
    {helper, len, Plain, Point(1.5)}, float("nan"), re.compile("a"), Decimal("1.10"), threading.Lock(),
    threading.local(), datetime(2020, 1, 1, tzinfo=timezone.utc), np.arange(3), np.array(["a", None], dtype=object),
    np.float32(1), np.datetime64("2020-01-01"), np.dtype("f8"), np.log1p, norm, rand,
    pd.DataFrame({"a": pd.Categorical(["u", "v"]), "b": pd.to_datetime(["2020", None]), "c": ["t", None]}), pd.NA,
    pd.Timestamp("2020", tz="UTC"), functools.partial(helper, 1), RandomForestClassifier(3, random_state=0),
    RandomForestClassifier(3, random_state=0).fit([[0], [1]], ["n", "y"]), range(3), slice(1), ..., 1j, b"b", [].append,
    TABLE, SCHEMA, pa.table({"a": [1]}), Words("abc"), Made, __LIMIT,
    expit, np.frompyfunc(helper, 1, 1), Own("a"), NAMED,
]
def features(x):
    return [VALUES, HERE, cached, size, helper(x), [y for y in {"s", "t"}], Loop, x.query("a > @TABLE"), __name__]
"""


def test_the_digest_is_the_same_in_every_process_and_place(tmp_path: Path) -> None:
    script = (
        "from airflow_batchscore.model.functions import FunctionRef; print(FunctionRef('everything:features').digest)"
    )
    found = set()
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        (tmp_path / seed / "everything.py").write_text(EVERYTHING)
        env = os.environ | {"PYTHONPATH": f"{tmp_path / seed}:{ROOT}", "PYTHONHASHSEED": seed}
        done = run_command([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
        found.add(done.stdout)
    assert len(found) == 1


def test_a_function_that_travels_by_value_has_the_same_digest_everywhere(tmp_path: Path) -> None:
    digests, paths = set(), set()
    for number in ("1", "2"):
        name = f"unusual_prefix_{number * 8}_my_dag"
        path = tmp_path / "my_dag.py"
        # What does not pickle cannot travel.
        text = EVERYTHING.replace("threading.Lock(),\n    threading.local(),", "").replace("@functools.lru_cache", "")
        text = text.replace('expit, np.frompyfunc(helper, 1, 1), Own("a"), NAMED,', "")
        text = text.replace('os.environ["PYTHONHASHSEED"] == "2"', "False").replace("cached, size,", "cached,")
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        ref = FunctionRef.of(module.features)
        script = (
            "import sys; from airflow_batchscore.model.functions import FunctionRef\n"
            "print(FunctionRef('my_dag:features', sys.stdin.read()).digest)"
        )
        env = os.environ | {"PYTHONHASHSEED": number, "PYTHONPATH": str(ROOT)}
        done = run_command(
            [sys.executable, "-c", script], input=ref.pickled, capture_output=True, text=True, check=True, env=env
        )
        paths.add(ref.path)
        digests |= {ref.digest, done.stdout.strip()}
    assert paths == {"my_dag:features"}
    assert len(digests) == 1


def test_what_is_filled_while_the_code_runs_does_not_change_its_digest(digest: Digest) -> None:
    before = digest("MEMO = {}\ndef features(x):\n    MEMO[x] = x\n    return MEMO")
    ref = FunctionRef("shop.recipe:features")
    ref.load()(3)
    assert ref.load()(4) == {3: 3, 4: 4}
    assert ref.digest == before


def test_digests_of_functions_that_are_not_used_any_more_are_let_go() -> None:
    kept = eval("lambda x: x + 0")  # noqa: S307 - code objects of its own
    digests.code_digest(kept, "kept")
    for number in range(1000):
        digests.code_digest(eval(f"lambda x: x + {number}"), "f")  # noqa: S307
        digests.code_digest(kept, "kept")
    assert len(digests._known) <= 256
    assert id(kept) in digests._known, "one that is in use is not taken again, when it may have filled its caches"


def test_a_module_that_is_loaded_again_in_this_process_counts_as_it_is_now(digest: Digest, tmp_path: Path) -> None:
    before = digest("from . import clean\ndef features(x): return clean.strip(x)", clean="def strip(x): return x")
    (tmp_path / "shop" / "clean.py").write_text("def strip(x): return -x")
    assert FunctionRef("shop.recipe:features").digest == before, "only loaded code counts"
    importlib.reload(sys.modules["shop.clean"])
    assert FunctionRef("shop.recipe:features").digest != before
    assert FunctionRef("shop.recipe:features").load()(1) == -1


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


def test_what_cannot_be_digested_is_named_when_it_is_given(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w") as file:
        held = {"files": [file]}

        def features(x: Any) -> Any:
            return held, x

        message = r"features uses held\['files'\], a _io.TextIOWrapper that .* Make it inside the function"
        with pytest.raises(RecipeError, match=message):
            FunctionRef.of(features)


def test_what_cannot_be_digested_is_named_where_it_is_imported(digest: Digest) -> None:
    with pytest.raises(RecipeError, match=r"shop\.clean:strip uses ROWS, a builtins\.generator that"):
        digest(
            "from .clean import strip\ndef features(x): return strip(x)",
            clean="ROWS = (x for x in [])\ndef strip(x): return ROWS",
        )


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


def test_a_cycle_ends() -> None:
    loop: list[Any] = [1]
    loop.append({"again": loop})
    other: list[Any] = [1]
    other.append({"again": other})
    assert value_digest(loop, "a loop") == value_digest(other, "another")
    assert value_digest(loop, "a loop") != value_digest([1, {"again": [1]}], "no loop")


def test_what_is_nested_too_deeply_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(RecipeError, match="is nested too deeply"):
        value_digest(nested, "a value")
    while nested:  # freeing it at once would recurse, too
        nested = nested.pop()


def test_a_frame_of_other_values_types_names_or_index_is_another() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", "y"]})
    others = [
        frame,
        frame.rename(columns={"a": "c"}),
        frame.set_index("b"),
        frame.set_axis([1, 2]),
        frame.astype({"a": "float32"}),
        frame.astype({"b": "category"}),
        frame.astype({"b": pd.CategoricalDtype(["y", "x"])}),
        frame.fillna(0),
        frame[["b", "a"]],
        frame["a"],
        frame["a"].rename("z"),
    ]
    assert len({value_digest(one, "a frame") for one in others}) == len(others)
    assert value_digest(frame, "a frame") == value_digest(frame.copy(), "a frame")


def test_threads_take_one_digest_before_any_of_them_calls_the_function() -> None:
    memo: dict[int, int] = {}

    def features(x: int) -> int:
        memo[x] = x
        return x

    found: list[str] = []

    def work(number: int) -> None:
        found.append(code_digest(features, "features"))
        features(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(memo) == 20


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
