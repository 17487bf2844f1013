"""Values count by content: the same in every process, and different where that can change a result."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.digest import value_digest
from airflow_batchscore.model.functions import FunctionRef

pytestmark = pytest.mark.unit

Digest = Callable[..., str]
Notices = Callable[..., bool]

NOTICED = {
    "a set": ("K = {'a', 'b'}\ndef features(x): return x.isin(K)", "'b'", "'c'"),
    "the order of a dict": (
        "K = {'a': 1, 'b': 2}\ndef features(x): return x.rename(K)",
        "'a': 1, 'b': 2",
        "'b': 2, 'a': 1",
    ),
    "1 and True": ("K = [1]\ndef features(x): return x * K[0]", "[1]", "[True]"),
    "1 and 1.0": ("K = 1\ndef features(x): return x // K", "K = 1", "K = 1.0"),
    "0.0 and -0.0": ("K = 0.0\ndef features(x): return x / K", "K = 0.0", "K = -0.0"),
    "a tuple and a list": ("K = (1, 2)\ndef features(x): return x[K]", "(1, 2)", "[1, 2]"),
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
}


@pytest.mark.parametrize("case", NOTICED)
def test_is_noticed(notices: Notices, case: str) -> None:
    source, old, new = NOTICED[case]
    assert notices(source, old=old, new=new)


#: Source with a 1 that becomes 2.
OWN: dict[str, tuple[str, ...]] = {
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
}


@pytest.mark.parametrize("case", OWN)
def test_what_a_class_of_ones_own_adds_is_noticed(notices: Notices, case: str) -> None:
    assert notices(*OWN[case])


NOT_NOTICED = {
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
}


@pytest.mark.parametrize("case", NOT_NOTICED)
def test_is_not_noticed(digest: Digest, case: str) -> None:
    before, after = NOT_NOTICED[case]
    assert digest(before) == digest(after)


def test_what_cannot_be_digested_is_named_when_it_is_given(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w") as file:
        held = {"files": [file]}

        def features(x: Any) -> Any:
            return held, x

        message = r"features uses held\['files'\], a _io.TextIOWrapper that .* Make it inside the function"
        with pytest.raises(RecipeError, match=message):
            FunctionRef.of(features)


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


def test_loggers_and_paths_of_pythons_own_classes_count_as_before() -> None:
    assert value_digest(logging.getLogger("a"), "it") == value_digest(logging.Logger("b"), "it")
    used = pathlib.Path("/a")
    str(used.parent), used.name, hash(used)
    assert value_digest(used, "it") == value_digest(pathlib.Path("/a"), "it")


def test_a_default_of_a_pydantic_model_is_noticed_and_what_pydantic_makes_of_it_is_not(digest: Digest) -> None:
    pytest.importorskip("pydantic")
    source = (
        "from pydantic import BaseModel\nclass P(BaseModel):\n    k: int = 1\n    names: set[str] = {'a', 'b'}\n"
        "def features(x): return x * P().k"
    )
    assert digest(source) == digest(source)
    assert digest(source.replace("k: int = 1", "k: int = 2")) != digest(source)
