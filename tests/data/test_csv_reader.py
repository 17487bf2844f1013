from __future__ import annotations

import random
from itertools import chain

import pyarrow as pa
import pytest

from airflow_batchscore.data.csv_reader import CsvReader, parse_header
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

COLUMNS = {"a": "int64", "b": "float64", "c": "string"}


@pytest.fixture
def reader() -> CsvReader:
    return CsvReader(("a", "b", "c", "unused"), COLUMNS, {})


def test_reads_types_nulls_quotes_and_a_last_line_without_end(reader: CsvReader) -> None:
    batch = reader.read_chunk(b'1,2.5,x,\r\n2,NA,"p, ""q""\nr",\n\n3,,,zz')
    assert batch.bad == []
    assert batch.table.to_pylist() == [
        {"a": 1, "b": 2.5, "c": "x"},
        {"a": 2, "b": None, "c": 'p, "q"\nr'},
        {"a": 3, "b": None, "c": None},
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"7,zz,x,", "column 'b': expected a number, found 'zz'"),
        (b"7.5,1,x,", "column 'a': expected a whole number, found '7.5'"),
        (b"7,1,\xff\xfe,", "column 'c': expected UTF-8 text"),
        (b"7,1,x,,more", "expected 4 fields, found 5"),
        (b"7,1", "expected 4 fields, found 2"),
    ],
)
def test_a_row_that_does_not_parse_is_set_apart(reader: CsvReader, line: bytes, message: str) -> None:
    batch = reader.read_chunk(b"1,1,x,\n" + line + b"\n2,2,y,\n")
    assert batch.table["a"].to_pylist() == [1, 2]
    assert batch.positions.tolist() == [0, 2]
    assert [row.position for row in batch.bad] == [1]
    assert message in batch.bad[0].message
    assert batch.rows_read == 3


def test_bad_bytes_in_a_column_that_is_not_read_do_no_harm(reader: CsvReader) -> None:
    batch = reader.read_chunk(b"1,1,x,\xff\n")
    assert (batch.table.num_rows, batch.bad) == (1, [])


def _messy(rows: int) -> tuple[list[str], bytes]:
    chance = random.Random(7)
    kinds = ["{n},{n}.5,x,", "{n},,y,", "{n},zz,y,", "{n}", "{n},1,x,,,"]
    lines = [chance.choices(kinds, [80, 10, 4, 3, 3])[0].format(n=n) for n in range(rows)]
    return lines, "\n".join(lines).encode()


@pytest.mark.parametrize("size", [16 << 20, 4096, 200])
def test_a_stream_gives_the_rows_and_positions_of_a_chunk(reader: CsvReader, size: int) -> None:
    lines, raw = _messy(3000)
    whole = reader.read_chunk(raw)
    stream = list(reader.read_stream(pa.BufferReader(b"a,b,c,unused\n" + raw), "u", size))
    assert pa.concat_tables([batch.table for batch in stream]).to_pylist() == whole.table.to_pylist()
    assert list(chain.from_iterable(batch.positions.tolist() for batch in stream)) == whole.positions.tolist()
    assert list(chain.from_iterable(batch.bad for batch in stream)) == whole.bad
    assert sorted([*whole.positions.tolist(), *(row.position for row in whole.bad)]) == list(range(3000))
    for position, value in zip(whole.positions.tolist(), whole.table["a"].to_pylist(), strict=True):
        assert lines[position].startswith(f"{value},")


def test_options_change_delimiter_quote_and_nulls() -> None:
    reader = CsvReader(
        ("a", "c"), {"a": "float64", "c": "string"}, {"delimiter": ";", "quotechar": "'", "null_values": ["-"]}
    )
    assert reader.read_chunk(b"1;'x;y'\n-;NA\n").table.to_pylist() == [{"a": 1.0, "c": "x;y"}, {"a": None, "c": "NA"}]


def test_a_header_loses_its_byte_order_mark_and_line_end() -> None:
    assert parse_header(b'\xef\xbb\xbfa,"b, c"\r\n', {}, "u") == ("a", "b, c")


def test_a_header_of_other_encoding_is_refused_with_advice() -> None:
    with pytest.raises(InputError, match="header of u is not utf-8 .* give the encoding"):
        parse_header(b"a,\xe9\n", {}, "u")
    assert parse_header(b"a,\xe9\n", {"encoding": "latin-1"}, "u") == ("a", "é")
