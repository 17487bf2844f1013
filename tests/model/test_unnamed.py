"""What code uses without naming it: names in query strings, and what users put onto libraries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest

from airflow_batchscore.model.bytecode import Names, names
from airflow_batchscore.model.unnamed import Queries, put_into, put_on, put_on_pandas

pytestmark = pytest.mark.unit

Digest = Callable[..., str]
Notices = Callable[..., bool]

#: Source of ``shop.recipe`` with a 1 that becomes 2; a second text is that of ``shop.part.deep``, which it uses.
NOTICED: dict[str, tuple[str, ...]] = {
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
    "a function that is put into a library": (
        "import json\njson.mine = lambda x: x + 1\ndef features(x): return json.mine(x)",
    ),
    "a method that is put onto a class of a library": (
        "from fractions import Fraction\ndef k(self): return 1\nFraction.mine = k\nX = Fraction(5)\n"
        "def features(x): return x * X.mine()",
    ),
}


@pytest.fixture
def on_libraries() -> Iterator[None]:
    """Take off what a test puts into libraries and onto their classes."""
    yield
    for library in (json, Fraction):
        if "mine" in vars(library):
            del library.mine


@pytest.mark.usefixtures("on_libraries")
@pytest.mark.parametrize("case", NOTICED)
def test_is_noticed(notices: Notices, case: str) -> None:
    assert notices(*NOTICED[case])


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


FRAME = pd.DataFrame({"a": [1, 2, 3]})


@pytest.mark.parametrize("query", ["a>@K", "a > @ K", "a >\t@K", "a == 1 or not@K", "a in@K", "a > 1 and a in@K"])
def test_a_name_is_told_in_each_way_that_pandas_reads_one(query: str) -> None:
    given = FRAME["a"] > 1 if "not" in query else [2] if "in@" in query else 1
    assert 0 < len(FRAME.query(query, local_dict={"K": given})) < len(FRAME)
    queries = Queries()
    queries.text(query)
    assert queries.names == {"K"}


@pytest.mark.parametrize("text", ["me@K.org", "a @@K", "admin@K", "v1.@K", "a @ 2", "@"])
def test_what_is_no_name_in_a_query_is_none(text: str) -> None:
    queries = Queries()
    queries.text(text)
    assert queries.names == set()


def test_names_are_looked_up_where_code_evaluates_queries_only() -> None:
    evaluates: dict[str, object] = {"__name__": "one", "K": 1, "L": 2}
    other: dict[str, object] = {"__name__": "two", "K": 1}
    queries, more = Queries(), Queries()
    queries.text("a > @K and b > @unknown")
    queries.function(_names("def f(x): return x.query(Q)"), evaluates, "f")
    more.function(_names("def g(x): return x.sum()"), other, "g")
    more.text("@L")
    queries.merge(more)
    assert [(who, name) for who, name, _ in queries.found()] == [("f", "K"), ("f", "L")]


def _names(source: str) -> Names:
    found: dict[str, Any] = {}
    exec(source, found)  # noqa: S102 - our own
    return names(next(value for name, value in found.items() if name != "__builtins__").__code__)


def test_only_what_users_add_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(self: object) -> object:
        return self

    assert list(put_on_pandas({"query", "mine", "str"})) == []
    assert list(put_on(Fraction)) == []
    assert put_into(json, ("dumps",)) is None
    for owner in (pd.Series, Fraction, json):
        monkeypatch.setattr(owner, "mine", mine, raising=False)
    assert list(put_on_pandas({"query", "mine", "str"})) == [(pd.Series, "mine", mine)]
    assert list(put_on(Fraction)) == [("mine", mine)]
    assert put_into(json, ("mine",)) is mine
    assert put_into(json, ("decoder", "JSONDecoder")) is None
