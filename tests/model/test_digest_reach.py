"""What counts as code, beyond names that are looked up in plain sight."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from airflow_batchscore.model.functions import FunctionRef

pytestmark = pytest.mark.unit

Digest = Callable[..., str]
Notices = Callable[..., bool]

#: Source of ``shop.recipe`` with a 1 that becomes 2.
NOTICED = {
    "a name that begins with two underscores": ("__K = 1\ndef features(x): return x * __K",),
    "a helper of such a name": ("def __h(x): return x * 1\ndef features(x): return __h(x)",),
    "a name that begins and ends so": ("__limit__ = 1\ndef features(x): return x * __limit__",),
    "an attribute that begins so": ("def features(x): return x * features.__k\nfeatures.__k = 1",),
    "an attribute of an object that begins so": (
        "class O: pass\nX = O()\nsetattr(X, '__k', 1)\ndef features(x): return x * vars(X)['__k']",
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
}


@pytest.mark.parametrize("case", NOTICED)
def test_is_noticed(notices: Notices, case: str) -> None:
    assert notices(*NOTICED[case])


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
