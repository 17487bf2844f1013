"""Arrays, frames and tables count by every value and type."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.special import expit

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.digest import value_digest

pytestmark = pytest.mark.unit

Notices = Callable[..., bool]

NOTICED = {
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
    "an Arrow table": (
        "import pyarrow as pa\nT = pa.table({'a': [1, None]})\ndef features(x): return T",
        "None",
        "3",
    ),
}


@pytest.mark.parametrize("case", NOTICED)
def test_is_noticed(notices: Notices, case: str) -> None:
    source, old, new = NOTICED[case]
    assert notices(source, old=old, new=new)


#: Source with a 1 that becomes 2.
OWN: dict[str, tuple[str, ...]] = {
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
    "attrs of a frame": (
        "import pandas as pd\nT = pd.DataFrame()\nT.attrs['k'] = 1\ndef features(x): return x * T.attrs['k']",
    ),
}


@pytest.mark.parametrize("case", OWN)
def test_what_a_class_of_ones_own_adds_is_noticed(notices: Notices, case: str) -> None:
    assert notices(*OWN[case])


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


def test_machine_code_that_only_its_name_is_known_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_batchscore.model import canonical_tables

    monkeypatch.setattr(canonical_tables, "_library_modules", list)  # as if it stood in none
    with pytest.raises(RecipeError, match="a value uses a value, a numpy.ufunc that is machine code"):
        value_digest(expit, "a value")


PADDED = np.dtype([("a", "i1"), ("b", "i8")], align=True)
OVERLAPPING = np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2]})


def _padded(between: int) -> np.ndarray:
    """One row whose seven bytes between the fields are as given."""
    made = np.empty(1, PADDED)
    made.view("u1")[:] = between
    made["a"], made["b"] = 1, 2
    return made


def test_bytes_between_the_fields_of_a_row_do_not_count() -> None:
    assert value_digest(_padded(1), "it") == value_digest(_padded(2), "it")
    other = _padded(1)
    other["b"] = 3
    assert value_digest(other, "it") != value_digest(_padded(1), "it")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.dtype([("a", "i4", (2,))]), np.dtype([("a", "i4", (3,))])),
        (np.dtype(("i4", (2,))), np.dtype(("f4", (2,)))),
        (PADDED, np.dtype([("a", "i1"), ("b", "i8")])),
        (OVERLAPPING, np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 4]})),
        (np.zeros(1, OVERLAPPING), np.ones(1, OVERLAPPING)),
        (np.array(["a", "b"], dtype=object), np.array(["ab", ""], dtype=object)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(2), np.zeros(2, "float32")),
        (np.array("2020", "M8[D]"), np.array("2020", "M8[s]")),
        (np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 2], [1, 0])),
        (np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 2], [0, 1], fill_value=7)),
    ],
)
def test_arrays_of_other_shapes_fields_or_masks_are_others(one: Any, other: Any) -> None:
    assert value_digest(one, "an array") != value_digest(other, "an array")


def test_a_masked_array_is_the_same_when_it_has_travelled_or_was_looked_at() -> None:
    before = value_digest(np.ma.masked_array([1, 2], [0, 1]), "it")
    looked_at = np.ma.masked_array([1, 2], [0, 1])
    assert looked_at.fill_value == 999999
    for value in (looked_at, pickle.loads(pickle.dumps(looked_at))):  # noqa: S301 - our own
        assert value_digest(value, "it") == before


@pytest.mark.parametrize(
    "other",
    [
        pd.Index([1, 2], dtype="int32"),
        pd.Categorical(["x", "y"], ["y", "x"]),
        pd.Categorical(["x", "y"], ordered=True),
        pd.Index(["x", "z"]),
    ],
)
def test_a_level_of_an_index_counts_with_its_type(other: Any) -> None:
    levels = [pd.Index([1, 2]), pd.Categorical(["x", "y"]), pd.Index(["x", "y"])]
    made = {value_digest(pd.MultiIndex.from_arrays([level, [5, 6]]), "it") for level in (*levels, other)}
    assert len(made) == 4


def test_what_a_lookup_caches_in_an_index_does_not_count() -> None:
    used, unused = (pd.MultiIndex.from_product([["a", "b"], [1, 2]]) for _ in range(2))
    used.get_loc(("a", 1))
    assert value_digest(used, "it") == value_digest(unused, "it")
