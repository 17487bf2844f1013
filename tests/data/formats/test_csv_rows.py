"""Which lines are rows: malformed, short, quoted, or over several lines."""

from __future__ import annotations

import time
from typing import Any

import pytest

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.csv_reader import CsvReader
from airflow_batchscore.data.formats.csv_rows import parse_header
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


def _lines(raw: bytes) -> Lines:
    return Lines(memoryview(raw), quoted=b'"' in raw or b"'" in raw)


def _reader(*, keys: dict[str, str | None] | None = None, **options: Any) -> CsvReader:
    return CsvReader(("id", "a", "b"), {"a": "float64", "b": "string"}, options, keys or {"id": None})


def _bad(batch: Batch) -> list[int]:
    return [row.position for row in batch.bad]


def test_a_malformed_row_that_is_not_utf8_is_shown_and_the_others_keep_their_bytes() -> None:
    batch = _reader().read(_lines("é,1,ü\n".encode() + b"\xff,1,x,y\n"))
    assert (batch.keys.to_pylist(), batch.table["b"].to_pylist()) == ([{"id": "é"}], ["ü"])
    assert batch.bad[0].raw == {"line": "\\xff,1,x,y"}


def test_a_field_over_several_lines_makes_each_of_them_a_bad_row() -> None:
    batch = _reader().read(_lines(b'1,1,x\n2,1,"Dear sir,\n5,5,hello\n\nbye"\n3,1,y\n'))
    assert batch.keys["id"].to_pylist() == ["1", "3"]
    assert batch.positions.tolist() == [0, 4]
    assert [row.raw["line"] for row in batch.bad] == ['2,1,"Dear sir,', "5,5,hello", 'bye"']
    assert _bad(batch) == [1, 2, 3]


def test_two_stray_quotes_cost_their_own_lines_and_none_between() -> None:
    lines = [f"{n},1,x" for n in range(1000)]
    lines[200], lines[300] = '200,1,"x', '300,"1,x'
    batch = _reader().read(_lines("\n".join(lines).encode()))
    assert (batch.rows_read, _bad(batch)) == (1000, [200, 300])
    assert batch.keys["id"].to_pylist() == [str(n) for n in range(1000) if n not in (200, 300)]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r", b"\n\n"])
@pytest.mark.parametrize("last", [True, False])
def test_a_field_over_several_lines_is_found_whatever_ends_a_line_and_beside_tabs(ending: bytes, last: bool) -> None:
    lines = [b"1,1,\t", b'2,1,"x\t"', b'3,1,"two', b'lines"', b"4,1,\t"]
    batch = _reader().read(_lines(ending.join(lines) + ending * last))
    assert (batch.keys["id"].to_pylist(), batch.positions.tolist()) == (["1", "2", "4"], [0, 1, 4])
    assert _bad(batch) == [2, 3]


@pytest.mark.parametrize(
    "line", ['1,2,5" pipe', '1,2,x"y","z', '1,2,""', '1,2,"a""b"', '1,2,"a"b"', '"1","2","x, y"', '1,2,"x" ']
)
def test_quotes_that_close_on_their_line_are_fine(line: str) -> None:
    header = ("id", "a", "b", "c") if line.endswith('"z') else ("id", "a", "b")
    reader = CsvReader(header, {"a": "float64"}, {}, {"id": None})
    batch = reader.read(_lines(f"{line}\n".encode() * 3))
    # The third field of 'x"y","z' opens and does not end.
    assert _bad(batch) == ([0, 1, 2] if line.endswith('"z') else [])
    assert batch.rows_read == 3


def test_short_rows_are_padded_when_asked_for_and_counted() -> None:
    batch = _reader(pad_short_rows=True).read(_lines(b'1\n2,2\n3,3,y\n"4 ""q"""\n5,5,y,z\n6,zz\n7,"7\n'))
    assert batch.keys["id"].to_pylist() == ["1", "2", "3", '4 "q"']
    assert batch.table.to_pylist() == [
        {"a": None, "b": None},
        {"a": 2.0, "b": None},
        {"a": 3.0, "b": "y"},
        {"a": None, "b": None},
    ]
    assert (batch.padded, _bad(batch), batch.rows_read) == (4, [4, 5, 6], 7)


def test_many_short_rows_take_time_in_proportion() -> None:
    rows = 40_000  # a look at each for each of them takes half a minute
    began = time.process_time()
    batch = _reader(pad_short_rows=True).read(_lines(b"1\n" * rows))
    assert time.process_time() - began < 8
    assert (batch.padded, batch.table.num_rows) == (rows, rows)


def test_a_row_of_several_mebibytes_is_a_row() -> None:
    batch = _reader().read(_lines(b"1,1," + b"x" * (3 << 20) + b"\n2,2,y\n"))
    assert [len(value) for value in batch.table["b"].to_pylist()] == [3 << 20, 1]


def test_a_header_loses_its_byte_order_mark_and_line_end() -> None:
    assert parse_header(b'\xef\xbb\xbfa,"b, c"\r\n', {}, "u") == ("a", "b, c")


def test_a_header_of_other_encoding_is_refused_with_advice() -> None:
    with pytest.raises(InputError, match="header of u is not utf-8 .*encoding.: .latin-1"):
        parse_header(b"a,\xe9\n", {}, "u")
    assert parse_header(b"a,\xe9\n", {"encoding": "latin-1"}, "u") == ("a", "é")
