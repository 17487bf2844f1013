"""Row groups of several files are put into one as bytes, and every reader finds them."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError
from airflow_batchscore.data.formats.parquet_groups import (
    EncodedFile,
    EncodedGroup,
    GroupsWriter,
    encode,
    groups_digest,
    rows_in_pages,
    span,
)

pytestmark = pytest.mark.unit

TABLE = pa.table(
    {
        "id": range(1000),
        "name": [None if n % 7 == 0 else f"name {n % 5}" for n in range(1000)],
        "score": [n / 7 for n in range(1000)],
        "day": [date(2026, 1, 1 + n % 28) for n in range(1000)],
        "money": [Decimal(n).scaleb(-2) for n in range(1000)],
        "list": [[n, None] if n % 3 else [] for n in range(1000)],
        "struct": [{"a": n, "b": [str(n)]} for n in range(1000)],
        "flag": [None, True] * 500,
    }
)


def _joined(*groups: tuple[EncodedGroup, ...], like: pa.Schema, notes: dict[bytes, bytes] | None = None) -> pa.Buffer:
    sink = io.BytesIO()
    writer = GroupsWriter(sink, encode([], like).footer)
    for sides in groups:
        writer.append(*sides)
    assert writer.count == len(groups)
    writer.finish(notes or {})
    return pa.py_buffer(sink.getvalue())


def _read(data: pa.Buffer) -> pa.Table:
    return pq.read_table(pa.BufferReader(data), page_checksum_verification=True)


def test_row_groups_of_several_files_read_like_one_table() -> None:
    files = [encode([TABLE.slice(0, 300), TABLE.slice(300, 1)], TABLE.schema), encode([TABLE.slice(301)], TABLE.schema)]
    data = _joined(*((group,) for file in files for group in file.groups), like=TABLE.schema, notes={b"a": b"b"})
    assert _read(data).equals(TABLE)
    footer = pq.read_metadata(pa.BufferReader(data))
    assert (footer.num_rows, footer.num_row_groups) == (1000, 3)
    assert footer.metadata[b"a"] == b"b"
    assert [footer.row_group(number).num_rows for number in range(3)] == [300, 1, 699]


def test_bytes_and_statistics_of_the_columns_stay_as_they_are() -> None:
    file = encode([TABLE.slice(0, 500), TABLE.slice(500)], TABLE.schema)
    turned = EncodedFile(_joined(*((group,) for group in reversed(file.groups)), like=TABLE.schema))
    (first, second), (later, earlier) = file.groups, turned.groups
    for old, new in ((first, earlier), (second, later)):
        (old_start, old_end), (new_start, new_end) = span(old.entry), span(new.entry)
        assert file.data[old_start:old_end] == turned.data[new_start:new_end]
    footer = pq.read_metadata(pa.BufferReader(turned.data))
    statistics = [footer.row_group(number).column(0).statistics for number in range(2)]
    assert [(one.min, one.max, one.null_count) for one in statistics] == [(500, 999, 0), (0, 499, 0)]


def test_readers_skip_row_groups_by_their_statistics() -> None:
    file = encode([TABLE.slice(0, 500), TABLE.slice(500)], TABLE.schema)
    data = _joined(*((group,) for group in reversed(file.groups)), like=TABLE.schema)
    table = pq.read_table(pa.BufferReader(data), filters=pc.field("id") < 3)
    assert table["id"].to_pylist() == [0, 1, 2]


def test_a_row_group_gets_its_columns_from_several_sides() -> None:
    left, right = TABLE.select(["name", "list"]), TABLE.select(["id", "struct"])
    sides = [encode([side.slice(0, 10), side.slice(10)], side.schema).groups for side in (left, right)]
    whole = pa.table([*left.columns, *right.columns], names=["name", "list", "id", "struct"])
    data = _joined(*zip(*sides, strict=True), like=whole.schema)
    assert _read(data).equals(whole)
    groups = EncodedFile(data).groups
    ends = [span(group.entry)[1] for group in groups]
    assert span(groups[0].entry)[0] == 4
    assert span(groups[1].entry)[0] == ends[0]


def test_sides_with_other_rows_are_refused() -> None:
    sides = [
        encode([TABLE.select([name]).slice(0, rows)], TABLE.select([name]).schema)
        for name, rows in (("id", 3), ("flag", 4))
    ]
    with pytest.raises(DamagedParquetError, match="the columns of a row group differ in their number of rows: 3, 4"):
        _joined(tuple(side.groups[0] for side in sides), like=TABLE.select(["id", "flag"]).schema)


def test_a_file_without_rows_has_its_columns() -> None:
    data = _joined(like=TABLE.schema)
    assert _read(data).equals(TABLE.slice(0, 0))


@pytest.mark.slow
def test_there_may_be_more_row_groups_than_an_ordinal_counts() -> None:
    one = TABLE.select(["id"]).slice(5, 1)
    (group,) = encode([one], one.schema).groups
    data = _joined(*[(group,)] * 33_000, like=one.schema)
    file = pq.ParquetFile(pa.BufferReader(data))
    assert file.metadata.num_row_groups == 33_000
    assert file.read_row_group(32_999).equals(one)


def test_a_row_group_is_read_from_a_piece_of_its_file() -> None:
    file = encode([TABLE.slice(0, 500), TABLE.slice(500)], TABLE.schema)
    entry = file.groups[1].entry
    start, end = span(entry)
    data = _joined((EncodedGroup(entry, file.data[start:end], start),), like=TABLE.schema)
    assert _read(data).equals(TABLE.slice(500))
    for first, behind in ((start, end - 1), (start + 1, end)):
        read = f"bytes {start} to {end}, of which only {first} to {behind} were read"
        with pytest.raises(DamagedParquetError, match=read):
            EncodedGroup(entry, file.data[first:behind], first)


def test_indexes_and_filters_that_lie_elsewhere_are_left_out() -> None:
    sink = pa.BufferOutputStream()
    how = {} if pa.__version__ < "24" else {"bloom_filter_options": {"id": True}}  # older ones write no filters
    pq.write_table(TABLE, sink, write_page_index=True, write_page_checksum=True, **how)
    data = _joined(*((group,) for group in EncodedFile(sink.getvalue()).groups), like=TABLE.schema)
    assert _read(data).equals(TABLE)
    column = pq.read_metadata(pa.BufferReader(data)).row_group(0).column(0)
    assert (column.has_offset_index, column.has_column_index) == (False, False)


def test_every_damaged_page_of_a_joined_file_is_noticed() -> None:
    table = TABLE.select(["id", "name", "score"])
    data = _joined(*((group,) for group in encode([table], table.schema).groups), like=table.schema)
    (group,) = EncodedFile(data).groups
    for column in (0, 1, 2):
        chunk = pq.read_metadata(pa.BufferReader(data)).row_group(0).column(column)
        whole = bytearray(data.to_pybytes())
        whole[chunk.data_page_offset + chunk.total_compressed_size // 2 - (64 if column == 1 else 0)] ^= 1
        with pytest.raises((OSError, pa.ArrowException)):
            rows_in_pages(pq.ParquetFile(pa.BufferReader(bytes(whole)), page_checksum_verification=True))
    assert rows_in_pages(pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)) == group.rows


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (pa.schema([("id", pa.int64()), ("x", pa.float64())]), True),
        (pa.schema([("id", pa.int32()), ("x", pa.float64())]), False),
        (pa.schema([("id", pa.uint64()), ("x", pa.float64())]), False),
        (pa.schema([("x", pa.float64()), ("id", pa.int64())]), False),
        (pa.schema([("id", pa.int64())]), False),
        (pa.schema([pa.field("id", pa.int64(), nullable=False), ("x", pa.float64())]), False),
        (pa.schema([("id", pa.timestamp("us")), ("x", pa.float64())]), False),
    ],
)
def test_only_row_groups_of_the_same_columns_may_be_copied(other: pa.Schema, same: bool) -> None:
    footer = encode([], pa.schema([("id", pa.int64()), ("x", pa.float64())])).footer
    assert encode([], other).footer.can_be_copied(footer) is same


def test_a_file_of_another_writer_is_not_copied() -> None:
    mine = encode([], TABLE.schema)
    theirs = mine.data.to_pybytes().replace(b"parquet-cpp-arrow version", b"parquet-cpp-error version")
    assert not EncodedFile(pa.py_buffer(theirs)).footer.can_be_copied(mine.footer)


def test_the_digest_of_row_groups_tells_any_change_of_their_entries() -> None:
    one, other = (encode([TABLE.slice(0, rows)], TABLE.schema).footer for rows in (10, 11))
    assert groups_digest(one.groups) != groups_digest(other.groups)
    assert groups_digest(one.groups) == groups_digest(encode([TABLE.slice(0, 10)], TABLE.schema).footer.groups)
