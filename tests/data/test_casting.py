"""A value is exact in the type it is read as, or its row is set apart with what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from airflow_batchscore.data.casting import Fitted, cast_columns, fit, texts
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

BIG = 2**53 + 1
NOON = datetime(2026, 1, 1, 12)


def _fit(columns: Mapping[str, str | None], keys: Mapping[str, str | None] | None = None, **table: Any) -> Fitted:
    return fit(pa.table(table), columns, keys or {}, "the file")


def _not_utf8(*values: bytes) -> pa.Array:
    """A column of text that is none, as a careless writer leaves it."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


def _id(value: Any) -> str:
    return str(value.type) if isinstance(value, pa.Array) else str(value)


@pytest.mark.parametrize(
    ("column", "kind", "values"),
    [
        (pa.array([1, None], pa.int8()), "float64", [1.0, None]),
        (pa.array([0.5, None], pa.float32()), "float64", [0.5, None]),
        (pa.array([Decimal("0.57"), None]), "float64", [0.57, None]),
        (pa.array([True, None]), "float64", [1.0, None]),
        (pa.array([1.0, None]), "int64", [1, None]),
        (pa.array([2**63 - 1], pa.uint64()), "int64", [2**63 - 1]),
        (pa.array(["x", None]).dictionary_encode(), "string", ["x", None]),
        (pa.array(["x", None], pa.large_string()), "string", ["x", None]),
        (pa.array(["x", None], pa.string_view()), "string", ["x", None]),
        (pa.array([date(2026, 1, 2)]), "string", ["2026-01-02"]),
        (pa.array([time(1, 2)], pa.time32("s")), "string", ["01:02:00"]),
        (pa.array([NOON], pa.timestamp("s")), "timestamp[us]", [NOON]),
        (pa.array([NOON], pa.timestamp("us", "Asia/Tokyo")), "timestamp[us, tz=UTC]", [NOON.replace(tzinfo=UTC)]),
        (pa.nulls(2), "float64", [None, None]),
        (pa.nulls(2), "string", [None, None]),
        (pa.array([float("nan"), None]), "null", [None, None]),
    ],
    ids=_id,
)
def test_values_that_mean_the_same_are_read_as_the_type_of_training(
    column: pa.Array, kind: str, values: list[Any]
) -> None:
    fitted = _fit({"x": kind}, x=column)
    assert (fitted.inputs["x"].to_pylist(), fitted.problems) == (values, {})
    assert fitted.rows.tolist() == list(range(len(values)))


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([1.5, 0.0]), "bool"),
        (pa.array([1, 0]), "bool"),
        (pa.array([1, 2]), "string"),
        (pa.array([True]), "string"),
        (pa.array(["1.5"]), "float64"),
        (pa.array(["true"]), "bool"),
        (pa.array([date(2026, 1, 1)]), "timestamp[us]"),
        (pa.array([1], pa.timestamp("us", "UTC")), "timestamp[us]"),
        (pa.array([1], pa.timestamp("us")), "timestamp[us, tz=UTC]"),
        (pa.array([[1.0]]), "float64"),
        (pa.array([["x"]]), "string"),
        (pa.array([1.0]), "date32"),
    ],
    ids=_id,
)
def test_a_column_of_another_kind_than_that_of_training_is_refused(column: pa.Array, kind: str) -> None:
    with pytest.raises(
        InputError, match=rf"the file: column 'x' is .*, the model was trained on {kind[:9]}.*'x': \.\.\."
    ):
        _fit({"x": kind}, x=column)


def test_a_declared_column_may_be_cast_to_any_type() -> None:
    fitted = fit(pa.table({"x": ["1.5", "zz", None]}), {"x": "float64"}, {}, "the file", declared=["x"])
    assert fitted.inputs["x"].to_pylist() == [1.5, None]
    assert fitted.problems == {1: "column 'x': zz is not exact as double, the type that this column is read as"}


def test_a_column_without_a_type_keeps_its_own_or_that_of_its_values() -> None:
    lists = pa.array([[1], None])
    fitted = _fit({"x": None, "y": None}, x=lists, y=pa.array(["a", "b"]).dictionary_encode())
    assert fitted.inputs.schema.types == [lists.type, pa.string()]


@pytest.mark.parametrize(
    ("column", "kind", "problem"),
    [
        (pa.array([1, BIG]), "float64", f"column 'x': {BIG} is not exact as a float"),
        (pa.array([1, 2**63 + 1], pa.uint64()), "float64", f"column 'x': {2**63 + 1} is not exact as a float"),
        (pa.array([1, 2**63], pa.uint64()), "int64", f"column 'x': {2**63} is not exact as int64"),
        (pa.array([1.0, 2.5]), "int64", "column 'x': 2.5 is not exact as int64"),
        (pa.array([1.0, float("nan")]), "int64", "column 'x': nan is not exact as int64"),
        (pa.array([0, 1], pa.timestamp("ns")), "timestamp[us]", "1970-01-01 00:00:00.000000001 is not exact"),
        (pa.array([0, 10**17], pa.timestamp("s")), "timestamp[us]", "<timestamp[s]> is not exact"),
    ],
    ids=_id,
)
@pytest.mark.parametrize("as_key", [True, False])
def test_a_value_that_does_not_fit_sets_its_row_apart(column: pa.Array, kind: str, problem: str, as_key: bool) -> None:
    wanted = {"x": kind}
    fitted = _fit({} if as_key else wanted, wanted if as_key else {}, x=column)
    assert list(fitted.problems) == [1]
    assert problem in fitted.problems[1]
    assert fitted.rows.tolist() == [0]
    assert (fitted.inputs.num_rows, fitted.keys.num_rows) == (1, 1)


def test_inputs_and_keys_lose_the_same_rows() -> None:
    fitted = _fit({"a": "float64"}, {"id": "int64", "a": None}, a=[1, BIG, 3, 4], id=[1.0, 2.0, 3.5, 4.0])
    assert fitted.inputs.to_pylist() == [{"a": 1.0}, {"a": 4.0}]
    assert fitted.keys.to_pylist() == [{"id": 1, "a": 1}, {"id": 4, "a": 4}]
    assert fitted.rows.tolist() == [0, 3]
    assert sorted(fitted.problems) == [1, 2]


@pytest.mark.parametrize("as_key", [True, False])
@pytest.mark.parametrize("encode", [True, False])
def test_text_that_is_not_utf8_sets_its_row_apart(as_key: bool, encode: bool) -> None:
    name = _not_utf8(b"good", b"caf\xe9", b"fine")
    columns: dict[str, str | None] = {"id": "float64"} if as_key else {"id": "float64", "name": "string"}
    table = pa.table({"id": [1, 2, 3], "name": name.dictionary_encode() if encode else name})
    fitted = fit(table, columns, {"name": None} if as_key else {}, "the file")
    assert (fitted.keys if as_key else fitted.inputs)["name"].to_pylist() == ["good", "fine"]
    assert fitted.inputs["id"].to_pylist() == [1.0, 3.0]
    assert fitted.problems == {1: "column 'name': expected UTF-8 text, found 'caf\\\\xe9'"}
    assert texts(table, 1) == {"id": "2", "name": "caf\\xe9"}


def test_text_inside_lists_is_looked_at_too() -> None:
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 3]), _not_utf8(b"a", b"b", b"\xff"))
    fitted = _fit({"tags": None}, {"id": None}, id=[1, 2], tags=lists)
    assert (fitted.inputs["tags"].to_pylist(), fitted.keys["id"].to_pylist()) == ([["a"]], [1])


def test_a_first_value_in_a_column_that_had_none_is_refused() -> None:
    with pytest.raises(InputError, match=r"the file: column 'x' has values here \('y'\)"):
        _fit({"x": "null"}, x=pa.array([None, "y"]).dictionary_encode())


def test_rows_that_cannot_be_set_apart_are_an_error_with_the_first_of_them() -> None:
    table = pa.table({"x": [1, 2, BIG, BIG + 2]})
    with pytest.raises(InputError, match=f"the answer, row 2: column 'x': {BIG} is not exact as a float"):
        cast_columns(table, {"x": "float64"}, "the answer")
    assert cast_columns(table, {"x": "int64"}, "the answer") == table


def test_a_table_without_rows_has_the_types() -> None:
    fitted = _fit({"x": "float64"}, {"x": None}, x=pa.array([], pa.int32()))
    assert (fitted.inputs.schema, fitted.keys.schema) == (
        pa.schema([("x", pa.float64())]),
        pa.schema([("x", pa.int32())]),
    )


def test_values_that_python_cannot_show_have_a_text() -> None:
    table = pa.table({"t": pa.array([10**17], pa.timestamp("s")), "n": pa.nulls(1), "f": [1.5]})
    assert texts(table, 0) == {"t": "<timestamp[s]>", "n": None, "f": "1.5"}
