"""Footers of Parquet files are read and written again byte for byte."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_batchscore.data.formats.thrift_compact import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    I16,
    I32,
    I64,
    LIST,
    STRUCT,
    TRUE,
    Struct,
    dumps,
    loads,
)

pytestmark = pytest.mark.unit


def _footer(table: pa.Table, **how: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **how)
    whole = sink.getvalue().to_pybytes()
    return whole[-8 - int.from_bytes(whole[-8:-4], "little") : -8]


TABLES = {
    "numbers": pa.table({"id": range(100), "x": [0.5] * 100}),
    "no rows": pa.table({"id": pa.array([], pa.int64())}),
    "many columns": pa.table({f"column {n}": [n] for n in range(40)}),
    "many kinds": pa.table(
        {
            "text": ["a", None, "\u00e9" * 200],
            "when": pa.array([datetime(2026, 1, 1)] * 3, pa.timestamp("us", "UTC")),
            "money": [Decimal("1.50"), Decimal("-2.25"), None],
            "list": [[1], None, [2, 3]],
            "struct": [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}],
            "flag": [True, False, None],
        }
    ).replace_schema_metadata({"note": "x" * 300}),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("how", [{}, {"row_group_size": 1, "write_page_index": True}, {"sorting_columns": None}])
def test_a_footer_comes_back_byte_for_byte(name: str, how: dict[str, object]) -> None:
    footer = _footer(TABLES[name], **how)
    assert dumps(loads(footer)) == footer


STRUCTS: dict[str, Struct] = {
    "integers": {
        number: (kind, value)
        for number, (kind, value) in enumerate(
            [(I16, -32768), (I32, 2**31 - 1), (I64, -(2**63)), (I64, 2**63 - 1), (I32, -1), (I32, 0), (BYTE, 255)], 1
        )
    },
    "booleans": {1: (TRUE, True), 2: (FALSE, False)},
    "distant fields": {1: (I32, 1), 17: (I32, 2), 32000: (BINARY, b"far")},
    "bytes": {1: (BINARY, b""), 2: (BINARY, b"x" * 200), 3: (DOUBLE, b"12345678")},
    "lists": {1: (LIST, (I32, [])), 2: (LIST, (I64, list(range(-20, 20)))), 3: (LIST, (BINARY, [b"a"] * 14))},
    "structs": {1: (STRUCT, {}), 2: (STRUCT, {3: (LIST, (STRUCT, [{1: (I32, n)} for n in range(15)]))})},
}


@pytest.mark.parametrize("name", STRUCTS)
def test_values_of_every_kind_come_back(name: str) -> None:
    assert loads(dumps(STRUCTS[name])) == STRUCTS[name]


def test_bytes_are_those_of_the_protocol() -> None:
    """Written by hand, after the protocol's description."""
    struct: Struct = {1: (I32, 1), 2: (TRUE, True), 20: (BINARY, b"ab"), 21: (LIST, (I64, [-1, 64]))}
    expected = bytes([0x15, 2, 0x11, 0x08, 40, 2, *b"ab", 0x19, 0x26, 1, 0x80, 1, 0])
    assert dumps(struct) == expected
    assert loads(expected) == struct


def test_a_struct_that_is_cut_off_is_refused_at_every_length() -> None:
    footer = _footer(TABLES["many kinds"])
    for length in range(len(footer)):
        with pytest.raises(ValueError, match="cut off"):
            loads(footer[:length])


@pytest.mark.parametrize("kind", [0x0A, 0x0B, 0x0D, 0x0E, 0x0F])
def test_what_no_footer_holds_is_refused(kind: int) -> None:
    with pytest.raises(ValueError, match=f"type {kind}, which no Parquet footer has"):
        loads(bytes([0x10 | kind, 0, 0]))


def test_a_flipped_byte_gives_a_struct_or_is_refused() -> None:
    footer = _footer(TABLES["numbers"])
    for place in range(len(footer)):
        with suppress(ValueError):
            loads(footer[:place] + bytes([footer[place] ^ 0xFF]) + footer[place + 1 :])
