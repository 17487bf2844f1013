"""Rows of files that state their types: numbered over all batches, and set apart with the name of their file."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from airflow_batchscore.data.formats.base import Block, ReadSettings, Source
from airflow_batchscore.data.formats.typed_rows import TypedRows, key_types_in, types_in
from airflow_batchscore.data.storage import Stamp
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

BIG = 2**53 + 1
SCHEMA = pa.schema([("id", pa.int64()), ("a", pa.int64())])
BLOCK = Block(3, Source("/d/x.orc", Stamp(9, "tag", ""), "orc", "stripes", ("id", "a")), 1, 2)


def _batch(ids: list[int], values: list[int]) -> pa.RecordBatch:
    return pa.record_batch([ids, values], schema=SCHEMA)


def _rows(**column_types: str) -> TypedRows:
    return TypedRows(BLOCK, ReadSettings(None, {"column_types": column_types}), {"a": "float64"}, {"id": None})


def test_rows_are_numbered_over_all_batches_with_those_set_apart() -> None:
    first, second = _rows().of([_batch([10, 11, 12], [1, BIG, 3]), _batch([13, 14], [BIG, 5])], SCHEMA)
    assert (first.positions.tolist(), second.positions.tolist()) == ([0, 2], [4])
    assert [(row.position, row.error, row.raw) for row in [*first.bad, *second.bad]] == [
        (1, "ParseError", {"id": "11", "a": str(BIG)}),
        (3, "ParseError", {"id": "13", "a": str(BIG)}),
    ]
    assert first.bad[0].message.startswith(f"/d/x.orc: column 'a': {BIG} is not exact as a float")
    assert [batch.rows_read for batch in (first, second)] == [3, 2]


def test_columns_of_the_types_asked_for_are_numbered_over_all_batches() -> None:
    rows = TypedRows(BLOCK, ReadSettings(), {"a": "int64"}, {"id": None, "a": None})
    first, second = rows.of([_batch([10, 11], [1, BIG]), _batch([12], [3])], SCHEMA)
    assert (first.positions.tolist(), second.positions.tolist()) == ([0, 1], [2])
    assert first.table.to_pydict() == {"a": [1, BIG]}
    assert first.keys.to_pydict() == {"id": [10, 11], "a": [1, BIG]}


def test_rows_that_fit_are_not_looked_at_whatever_the_order_of_their_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_batchscore.data.formats.typed_rows.fit", None)
    rows = TypedRows(BLOCK, ReadSettings(), {"a": "int64"}, {"id": None})
    for names in (["a", "id"], ["id", "a"]):
        (batch,) = rows.of([_batch([10, 11], [1, BIG]).select(names)], SCHEMA)
        assert (batch.table.to_pydict(), batch.keys.to_pydict()) == ({"a": [1, BIG]}, {"id": [10, 11]})


def test_a_batch_of_other_types_than_the_file_states_is_looked_at() -> None:
    rows = TypedRows(BLOCK, ReadSettings(), {"a": "int64"}, {"id": None})
    (batch,) = rows.of([pa.record_batch({"id": [1, 2], "a": [1.0, 1.5]})], SCHEMA)
    assert (batch.table.to_pydict(), [row.position for row in batch.bad]) == ({"a": [1]}, [1])


def test_rows_of_keys_alone_are_counted_where_one_is_set_apart() -> None:
    rows = TypedRows(BLOCK, ReadSettings(), {}, {"id": "float64"})
    (batch,) = rows.of([pa.record_batch({"id": [1, BIG, 3]})], pa.schema([("id", pa.int64())]))
    assert (batch.rows_read, batch.table.num_rows, batch.keys["id"].to_pylist()) == (3, 2, [1.0, 3.0])


def test_a_block_without_rows_has_one_batch_with_the_types() -> None:
    (batch,) = _rows().of([], SCHEMA)
    assert (batch.rows_read, batch.table.schema, batch.keys.schema) == (
        0,
        pa.schema([("a", pa.float64())]),
        pa.schema([("id", pa.int64())]),
    )


def test_a_column_of_another_kind_names_the_block() -> None:
    schema = pa.schema([("id", pa.int64()), ("a", pa.string())])
    with pytest.raises(InputError, match=r"block 3 \(/d/x\.orc, stripes 1 to 2\): column 'a' is string"):
        list(_rows().of([pa.record_batch([[1], ["x"]], schema=schema)], schema))
    (batch,) = _rows(a="float64").of([pa.record_batch([[1, 2], ["1.5", "x"]], schema=schema)], schema)
    assert (batch.table["a"].to_pylist(), batch.positions.tolist()) == ([1.5], [0])


@pytest.mark.parametrize("error", [pa.ArrowInvalid("corrupt"), OSError("zlib inflate failed: incorrect header check")])
def test_damage_names_the_block_and_what_came_before_is_kept(error: Exception) -> None:
    def damaged() -> Iterator[pa.RecordBatch]:
        yield _batch([1], [1])
        raise error

    batches = _rows().of(damaged(), SCHEMA)
    assert next(batches).rows_read == 1
    with pytest.raises(InputError, match=r"block 3 \(/d/x\.orc, stripes 1 to 2\) is damaged: "):
        next(batches)


def test_a_store_that_fails_is_not_damage() -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        raise OSError(5, "Input/output error")
        yield

    with pytest.raises(OSError, match="Input/output error"):
        list(_rows().of(failing(), SCHEMA))


def test_columns_that_are_key_and_input_are_read_once() -> None:
    assert TypedRows(BLOCK, ReadSettings(), {"a": None, "b": None}, {"id": None, "a": None}).names == ["a", "b", "id"]


def test_types_of_a_file_have_plain_names_where_there_are_any() -> None:
    schema = pa.schema(
        [
            ("i", pa.int8()),
            ("u", pa.uint64()),
            ("f", pa.float16()),
            ("b", pa.bool_()),
            ("n", pa.null()),
            ("s", pa.large_string()),
            ("v", pa.string_view()),
            ("d", pa.dictionary(pa.int8(), pa.string())),
            ("t", pa.timestamp("us", "UTC")),
        ]
    )
    assert dict(types_in(schema, lambda name: name != "b")) == {
        "i": "int64",
        "u": "uint64",
        "f": "float64",
        "n": "null",
        "s": "string",
        "v": "string",
        "d": "string",
        "t": "timestamp[us, tz=UTC]",
    }
    assert key_types_in(schema, ["t", "i", "none"]) == (("i", "int8"), ("t", "timestamp[us, tz=UTC]"))
