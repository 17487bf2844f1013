"""Cells are converted to their types; one that does not fit sets its row apart."""

from __future__ import annotations

import random
import re
from itertools import chain
from typing import Any

import pyarrow as pa
import pytest
from pandas._libs.parsers import STR_NA_VALUES

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.csv_reader import NULL_VALUES, CsvReader
from airflow_batchscore.data.formats.csv_rows import quoting_of
from airflow_batchscore.data.formats.lines import Lines, LineStream

pytestmark = pytest.mark.unit

COLUMNS: dict[str, str | None] = {"a": "int64", "b": "float64", "c": "string"}


@pytest.fixture
def reader() -> CsvReader:
    return CsvReader(("a", "b", "c", "unused"), COLUMNS, {})


def _lines(raw: bytes) -> Lines:
    return Lines(memoryview(raw), quoted=b'"' in raw or b"'" in raw)


def _reader(*, keys: dict[str, str | None] | None = None, **options: Any) -> CsvReader:
    return CsvReader(("id", "a", "b"), {"a": "float64", "b": "string"}, options, keys or {"id": None})


def _bad(batch: Batch) -> list[int]:
    return [row.position for row in batch.bad]


def test_reads_types_nulls_quotes_and_a_last_line_without_end(reader: CsvReader) -> None:
    batch = reader.read(_lines(b'1,2.5,x,\r\n2,NA,"p, ""q"" r",\n\n3,,,zz'))
    assert batch.bad == []
    assert batch.table.to_pylist() == [
        {"a": 1, "b": 2.5, "c": "x"},
        {"a": 2, "b": None, "c": 'p, "q" r'},
        {"a": 3, "b": None, "c": None},
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"7,zz,x,", "column 'b': expected a number, found 'zz'"),
        (b"7.5,1,x,", "column 'a': expected a whole number, found '7.5'"),
        (b"7,1,\xff\xfe,", "column 'c': expected UTF-8 text"),
        (b"7,1,x,,more", "expected 4 fields, found 5"),
        (b"7,1", 'expected 4 fields, found 2. .*"pad_short_rows": True'),
        (b"7,1,\xff,,more", "expected 4 fields, found 5"),
        (b'7,1,"x,', 'quoted field that does not end on it.*"newlines_in_values": True'),
    ],
)
def test_a_row_that_does_not_parse_is_set_apart(reader: CsvReader, line: bytes, message: str) -> None:
    batch = reader.read(_lines(b"1,1,x,\n" + line + b"\n2,2,y,\n"))
    assert batch.table["a"].to_pylist() == [1, 2]
    assert batch.positions.tolist() == [0, 2]
    assert _bad(batch) == [1]
    assert re.search(message, batch.bad[0].message)
    assert batch.rows_read == 3


def test_bad_bytes_in_a_column_that_is_not_read_do_no_harm(reader: CsvReader) -> None:
    batch = reader.read(_lines(b"1,1,x,\xff\n"))
    assert (batch.table.num_rows, batch.bad) == (1, [])


@pytest.mark.parametrize(
    "key",
    ["12345678901234567890", "12345678901234567891", "12E3", "00123", "+49170", "NA", "", " x ", "nan", "1.50", "True"],
)
def test_a_key_is_what_stands_in_the_cell(key: str) -> None:
    """Beside a row whose cell does not fit, where all is read again as bytes, too."""
    for rows in (f"{key},1,x\n7,2,y\n", f"{key},1,x\n7,zz,y\n", f'"{key}",1,x\n'):
        batch = _reader().read(_lines(rows.encode()))
        assert batch.keys["id"].to_pylist()[0] == key


def test_missing_text_of_inputs_is_null_beside_keys_that_are_text() -> None:
    batch = _reader().read(_lines(b"NA,NA,NA\n,,\nx, 2 , NA\n"))
    assert batch.keys.to_pylist() == [{"id": "NA"}, {"id": ""}, {"id": "x"}]
    assert batch.table.to_pylist() == [{"a": None, "b": None}, {"a": None, "b": None}, {"a": 2.0, "b": " NA"}]


@pytest.mark.parametrize("cell", ["9007199254740993", "-12345678901234567", " 9007199254740993 "])
def test_a_whole_number_that_no_float_holds_is_not_rounded(cell: str) -> None:
    fine = ["9007199254740992", "1e300", "9007199254740993.0", "-inf", "nan", "1"]
    raw = "".join(f"{text},x\n" for text in [*fine[:3], cell, *fine[3:]]).encode()
    batch = CsvReader(["n", "u"], {"n": "float64", "u": "string"}, {}).read(_lines(raw))
    assert _bad(batch) == [3]
    assert "is not exact as a float. Read it as int64" in batch.bad[0].message
    assert batch.table.column("n").to_pylist() == [None if text == "nan" else float(text) for text in fine]
    exact = CsvReader(["n", "u"], {"n": "int64"}, {}).read(_lines(f"{cell},x\n".encode()))
    assert exact.table.column("n").to_pylist() == [int(cell)]


def test_every_text_that_pandas_reads_as_missing_is_missing() -> None:
    missing = sorted(STR_NA_VALUES)
    assert set(NULL_VALUES) == set(missing)
    raw = "".join(f"{text},x\n" for text in missing).encode()
    for kind in ("string", "float64"):
        batch = CsvReader(["t", "u"], {"t": kind, "u": "string"}, {}).read(_lines(raw))
        assert batch.table.column("t").null_count == len(missing)


def test_a_column_that_is_key_and_input_is_text_for_the_one_and_typed_for_the_other() -> None:
    reader = _reader(keys={"a": None, "b": None})
    batch = reader.read(_lines(b'1,012,NA\n2,"1E2",x\n3, NA,\n4,zz,y\n'))
    assert batch.keys.to_pylist() == [{"a": "012", "b": "NA"}, {"a": "1E2", "b": "x"}, {"a": " NA", "b": ""}]
    assert batch.table["a"].to_pylist() == [12.0, 100.0, None]
    assert batch.table["b"].to_pylist() == [None, "x", None]
    assert [(row.position, row.raw["a"]) for row in batch.bad] == [(3, "zz")]
    assert "column 'a': expected a number, found 'zz'" in batch.bad[0].message


def test_a_key_with_a_declared_type_has_it() -> None:
    batch = _reader(keys={"id": "int64", "a": "float64"}).read(_lines(b"007,1.5,x\nNA,2,y\nz,1,y\n"))
    assert batch.keys.to_pylist() == [{"id": 7, "a": 1.5}, {"id": None, "a": 2.0}]
    assert _bad(batch) == [2]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems_end_a_row(reader: CsvReader, ending: str) -> None:
    batch = reader.read(_lines(ending.join(["1,1,x,", "2,2,y", '3,3,"z,', "4,4,w,"]).encode()))
    assert (batch.table["a"].to_pylist(), batch.positions.tolist(), _bad(batch)) == ([1, 4], [0, 3], [1, 2])


def _messy(rows: int) -> tuple[list[str], bytes]:
    chance = random.Random(7)
    kinds = ["{n},{n}.5,x,", "{n},,y,", "{n},zz,y,", "{n}", "{n},1,x,,,", '{n},1,"x,', '{n},1,"x\n{n}\n y",']
    texts = [chance.choices(kinds, [80, 10, 4, 3, 3, 2, 4])[0].format(n=n) for n in range(rows)]
    return "\n".join(texts).split("\n"), "\n".join(texts).encode()


@pytest.mark.parametrize("size", [16 << 20, 4096, 200])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_a_stream_gives_the_rows_and_positions_of_a_chunk(reader: CsvReader, size: int, ending: bytes) -> None:
    lines, raw = _messy(3000)
    raw = raw.replace(b"\n", ending)
    whole = reader.read(_lines(raw))
    stream = LineStream(pa.BufferReader(b"a,b,c,unused" + ending + raw), ending[-1:], quoting_of({}), "u", joined=False)
    read, batches = 0, list[Batch]()
    for chunk in stream.chunks(size):
        batches.append(reader.read(chunk).behind(read))
        read += batches[-1].rows_read
    assert pa.concat_tables([batch.table for batch in batches]).to_pylist() == whole.table.to_pylist()
    assert list(chain.from_iterable(batch.positions.tolist() for batch in batches)) == whole.positions.tolist()
    assert list(chain.from_iterable(batch.bad for batch in batches)) == whole.bad
    assert sorted([*whole.positions.tolist(), *_bad(whole)]) == list(range(len(lines)))
    for position, value in zip(whole.positions.tolist(), whole.table["a"].to_pylist(), strict=True):
        assert lines[position].startswith(f"{value},")


def test_options_change_delimiter_quote_and_nulls() -> None:
    reader = CsvReader(
        ("a", "c"), {"a": "float64", "c": "string"}, {"delimiter": ";", "quotechar": "'", "null_values": ["-"]}
    )
    batch = reader.read(_lines(b"1;'x;y'\n-;NA\n2;'\n3;z\n"))
    assert batch.table.to_pylist() == [{"a": 1.0, "c": "x;y"}, {"a": None, "c": "NA"}, {"a": 3.0, "c": "z"}]
    assert _bad(batch) == [2]


def test_a_number_among_truth_values_is_none_unless_the_user_says_so() -> None:
    """Arrow takes 1 for true."""
    raw = b"true,1\n1,0\nFalse,0x1\nfALSE,\n"
    found = CsvReader(("x", "n"), {"x": "bool"}, {}).read(_lines(raw))
    assert found.table.column("x").to_pylist() == [True, False, False]
    assert [(row.position, row.message) for row in found.bad] == [(1, "column 'x': expected true or false, found '1'")]
    declared = {"column_types": {"x": "bool"}}
    assert CsvReader(("x", "n"), {"x": "bool"}, declared).read(_lines(raw)).table.column("x").to_pylist() == [
        True,
        True,
        False,
        False,
    ]
