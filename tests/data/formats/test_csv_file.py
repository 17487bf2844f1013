"""What the beginning of a CSV file says of it: its header, its line ends, its encoding."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from one_csv_file import blocks_of, one_csv, rows_of

from airflow_batchscore.data.blocks import cut
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.csv_file import CsvLayout, look_at
from airflow_batchscore.data.formats.lines import LONGEST_BYTES
from airflow_batchscore.data.inferred_types import infer_types
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.opened import open_input
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["p_1.csv", "p_1.csv.gz"])
@pytest.mark.parametrize("last", [b"", b"\r"])
def test_files_of_old_macs_are_cut_at_their_line_ends(tmp_path: Path, name: str, last: bytes) -> None:
    raw = b"\r".join([b"id,a,text", *(b"%d,1,x" % n for n in range(500)), b'500,1,"x']) + last
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}{name.removeprefix('p_1')}")
    blocks = cut(dataset, dataset.partition({"p": "1"}), block_rows=50)
    assert len(blocks) > 5 or name.endswith("gz")
    assert rows_of(dataset, blocks) == ([str(n) for n in range(500)], ['500,1,"x'])
    assert infer_types(dataset, dataset.require(), ["a", "text"]) == {"a": "int64", "text": "string"}


def test_a_header_of_any_length_is_read_and_one_without_end_is_refused(tmp_path: Path) -> None:
    names = ["id", "a", *(f"column_{n}" for n in range(30_000))]
    dataset = one_csv(tmp_path, ",".join(names) + "\n" + ",".join(["7"] * len(names)) + "\n")
    assert rows_of(dataset, blocks_of(dataset)) == (["7"], [])
    (tmp_path / "p_1.csv").write_bytes(b"x," * (LONGEST_BYTES // 2 + 10))
    with pytest.raises(InputError, match=r"the header of .*p_1.csv is longer than 32 MiB"):
        blocks_of(dataset)


def test_names_that_are_empty_or_come_twice_do_no_harm_where_they_are_not_read(tmp_path: Path) -> None:
    dataset = one_csv(tmp_path, "id,,a,x,x,\n1,2,3,4,5,6\n")
    assert rows_of(dataset, blocks_of(dataset)) == (["1"], [])


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    for encoding in (None, "utf-8-sig", "utf-16"):
        raw = '\ufeff"id",a,text\r\n001,1,é\r\n'.encode("utf-16-le" if encoding == "utf-16" else "utf-8")
        dataset = one_csv(tmp_path, raw, **({"encoding": encoding} if encoding else {}))
        assert rows_of(dataset, blocks_of(dataset)) == (["001"], [])


def test_bytes_that_are_not_of_the_encoding_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    dataset = one_csv(tmp_path, "id,a\n1,1\n".encode("utf-16") + b"\x00\xd8", encoding="utf-16")
    with pytest.raises(InputError, match=r"p_1.csv"):
        rows_of(dataset, blocks_of(dataset))


def _look(path: Path, **options: Any) -> CsvLayout:
    with open_input(Location(str(path))) as opened:
        return look_at(opened, options)


@pytest.mark.parametrize(
    ("raw", "layout"),
    [
        (b"a,b\n1,2\n", CsvLayout(("a", "b"), False, 4, "\n", 4)),
        (b"a,b\r\n1,2\r\n", CsvLayout(("a", "b"), False, 5, "\n", 5)),
        (b"a,b\r1,2\r", CsvLayout(("a", "b"), False, 4, "\r", 4)),
        (b"a,b\r1,2\n", CsvLayout(("a", "b"), False, 4, "\n", 4)),
        (b"a,b", CsvLayout(("a", "b"), False, 3, "\n", 1)),
        (b"\xef\xbb\xbfa,b\n", CsvLayout(("a", "b"), False, 7, "\n", 1)),
    ],
)
def test_the_beginning_of_a_file_says_where_rows_begin_and_how_lines_end(
    tmp_path: Path, raw: bytes, layout: CsvLayout
) -> None:
    (tmp_path / "x.csv").write_bytes(raw)
    assert _look(tmp_path / "x.csv") == layout


@pytest.mark.parametrize(
    ("options", "is_stream"),
    [
        ({}, False),
        ({"encoding": "latin-1"}, False),
        ({"encoding": "cp1252"}, False),
        ({"encoding": "UTF8"}, False),
        ({"encoding": "utf-16"}, True),
        ({"encoding": "shift_jis"}, True),  # its characters may hold the byte of a delimiter
        ({"newlines_in_values": True}, True),
    ],
)
def test_a_file_that_cannot_be_entered_anywhere_is_a_stream(
    tmp_path: Path, options: dict[str, Any], is_stream: bool
) -> None:
    (tmp_path / "x.csv").write_bytes("a,b\n1,2\n".encode(options.get("encoding", "utf-8")))
    layout = _look(tmp_path / "x.csv", **options)
    assert (layout.columns, layout.is_stream) == (("a", "b"), is_stream)


@pytest.mark.parametrize(
    ("raw", "options", "message"),
    [
        (b"\na,b\n", {}, "has no header: its first line is empty"),
        (b"a,\xe9\n", {}, "header of .* is not utf-8 .*encoding.: .latin-1"),
        (b'a,"b\nc"\n', {}, "has a line end inside a quoted name; rename the column"),
        (b"a,b\n", {"encoding": "no such"}, "the encoding 'no such' is unknown"),
        (b"a,b\n", {"encoding": "base64"}, "the encoding 'base64' is unknown"),
    ],
)
def test_a_file_without_a_readable_header_is_refused(
    tmp_path: Path, raw: bytes, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "x.csv").write_bytes(raw)
    with pytest.raises(InputError, match=message):
        _look(tmp_path / "x.csv", **options)
