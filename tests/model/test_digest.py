"""What counts as code: every change that can change a result is noticed, and nothing else."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT

from airflow_batchscore.model import digest as digests
from airflow_batchscore.model.digest import code_digest
from airflow_batchscore.model.functions import FunctionRef

pytestmark = pytest.mark.unit

Digest = Callable[..., str]
Notices = Callable[..., bool]


NOTICED = {
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
    "a default of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    k: int = 1\ndef features(x): return x * C().k",
        "= 1",
        "= 2",
    ),
}


@pytest.mark.parametrize("case", NOTICED)
def test_is_noticed(notices: Notices, case: str) -> None:
    source, old, new = NOTICED[case]
    assert notices(source, old=old, new=new)


NOT_NOTICED = {
    "what is not used": ("def features(x): return x", "K = 1\ndef other(x): return K\ndef features(x): return x"),
    "a docstring of a class": (
        "class C:\n    k = 1\ndef features(x): return C.k",
        "class C:\n    'A class.'\n    k = 1\ndef features(x): return C.k",
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


@pytest.mark.slow
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


@pytest.mark.slow
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
