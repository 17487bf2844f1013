"""What compiled code does, and which names it looks up."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

import pytest

from airflow_batchscore.model.bytecode import body, names

pytestmark = pytest.mark.unit

Digest = Callable[..., str]
Notices = Callable[..., bool]

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
    "a set in the code": ("def features(x): return x in {'a', 'b'}", "'b'", "'c'"),
    "a class in a function": (
        "def features(x):\n    class C:\n        k = 1\n    return x * C.k",
        "k = 1",
        "k = 2",
    ),
    "an except clause": (
        "def features(x):\n    try: return 1 / x\n    except ZeroDivisionError: return 0",
        "ZeroDivisionError",
        "Exception",
    ),
}


@pytest.mark.parametrize("case", NOTICED)
def test_is_noticed(notices: Notices, case: str) -> None:
    source, old, new = NOTICED[case]
    assert notices(source, old=old, new=new)


NOT_NOTICED = {
    "comments, blank lines, docstrings": (
        "def h(x): return x\ndef features(x): return h(x)",
        "# why\n\n\ndef h(x):\n    'What it does.'\n\n    # how\n    return x\ndef features(x): return h(x)",
    ),
    "annotations": ("def features(x): return x", "def features(x: int) -> int: return x"),
    "where a class in a function stands": (
        "def features(x):\n    class C:\n        k = 1\n    return C.k",
        "\n\ndef features(x):\n    class C:\n        'A class.'\n        k = 1\n    return C.k",
    ),
}


@pytest.mark.parametrize("case", NOT_NOTICED)
def test_is_not_noticed(digest: Digest, case: str) -> None:
    before, after = NOT_NOTICED[case]
    assert digest(before) == digest(after)


def _code(source: str) -> CodeType:
    """The code of the function ``f`` in `source`."""
    found: dict[str, Any] = {}
    exec(source, found)  # noqa: S102 - our own
    code: CodeType = found["f"].__code__
    return code


def test_attributes_are_told_as_chains_from_the_global_they_start_at() -> None:
    looked_up = names(_code("def f(x): return a.b.c(x) + a + g(x.d) + a.b"))
    assert looked_up.read == {"a": {("b", "c"), (), ("b",)}, "g": {()}}
    assert looked_up.attributes == {"b", "c", "d"}
    assert looked_up.mentioned == {"a", "b", "c", "d", "g"}


def test_names_of_code_inside_code_are_told_with_those_around_it() -> None:
    looked_up = names(_code("def f(x):\n    class C:\n        k = K\n    return [lambda: h(y) for y in x], C"))
    assert set(looked_up.read) == {"K", "h"} | ({"__name__"} & set(looked_up.read))


def test_imports_are_told_with_level_and_names() -> None:
    looked_up = names(_code("def f():\n    import os.path\n    from ..part import a, b\n    from . import c"))
    assert looked_up.imported == [(0, "os.path", ()), (2, "part", ("a", "b")), (1, "", ("c",))]
    assert {"a", "b", "c"} <= looked_up.attributes


def test_names_that_code_sets_are_told() -> None:
    looked_up = names(_code("def f(x):\n    global K, L\n    K = 1\n    x.a = 2\n    del L, x.b"))
    assert looked_up.stored == {"K", "L", "a", "b"}
    assert looked_up.read == {}


def test_a_name_is_told_behind_any_number_of_constants() -> None:
    """Beyond the 256th, an instruction's argument takes two instructions."""
    many = " + ".join(f"n{number}.a{number}" for number in range(400))
    read = names(_code(f"def f(): return {many}")).read
    assert read == {f"n{number}": {(f"a{number}",)} for number in range(400)}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("def f(x): return x", "\n\ndef f(x):\n    'Text.'\n    return x", True),
        ("def f(x): return 'a'", "def f(x): return 'b'", False),
        ("def f(x):\n    'Text.'\n    return 'a'", "def f(x):\n    return 'a'", True),
        ("f = lambda x: 'a'", "f = lambda x: 'b'", False),
        ("def f(x): return x", "def f(y): return y", False),
        ("def f(x): return x", "def f(x, /): return x", False),
        ("def f(x): return x", "def f(*x): return x", False),
        ("def f(x): return x", "def f(x): yield x", False),
        ("def f(x): return x.a", "def f(x): return x.b", False),
        ("from __future__ import annotations\ndef f(x): return x", "def f(x): return x", True),
    ],
)
def test_the_body_is_what_code_does(one: str, other: str, same: bool) -> None:
    assert (body(_code(one)) == body(_code(other))) == same
