"""Values of Parquet files come out as they are, or their row is set apart with what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publications import flip_a_bit

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.parquet_format import Parquet
from airflow_batchscore.data.key_types import key_types
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

BIG = 2**53 + 1


def _read(
    folder: Path,
    *tables: pa.Table,
    columns: Mapping[str, str | None] | None = None,
    keys: tuple[str, ...] = (),
    column_types: Mapping[str, str] | None = None,
    **options: Any,
) -> list[Batch]:
    """The batches of one partition of several files."""
    folder = folder / "p=1"
    folder.mkdir()
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number}.parquet", **options)
    dataset = PartitionedDataset(f"{folder.parent}/p={{p}}/", read_options={"column_types": column_types or {}})
    layout = cut(dataset, dataset.partition({"p": "1"}), block_rows=1000, keys=keys)
    types = key_types([block.source for block in layout], dict.fromkeys(keys), dataset.column_types, "p=1")
    return [batch for block in layout for batch in read(dataset, block, columns or {}, types)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, -128, None], pa.int8()),
        pa.array([2**64 - 1, 0, None], pa.uint64()),
        pa.array([BIG, -BIG, None]),
        pa.array([0.1, 1e-45, None], pa.float32()),
        pa.array([datetime(9999, 12, 31), datetime(1, 1, 1), None], pa.timestamp("us")),
        pa.array([1, 2, None], pa.timestamp("ns", "Europe/Berlin")),
        pa.array([date(9999, 12, 31), date(1, 1, 1), None]),
        pa.array([Decimal("1.10"), Decimal("-99999999999999999999.99"), None]),
        pa.array([b"\xff", b"", None]),
        pa.array(["007", "", None], pa.large_string()),
    ],
    ids=lambda column: str(column.type),
)
def test_a_key_keeps_its_type_and_every_bit(tmp_path: Path, column: pa.Array) -> None:
    (batch,) = _read(tmp_path, pa.table({"key": column}), keys=("key",))
    assert batch.keys["key"].type == column.type
    assert batch.keys["key"].combine_chunks().equals(column)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (pa.array([1], pa.int32()), pa.array([2**40]), pa.int64()),
        (pa.array([1], pa.uint8()), pa.array([2**64 - 1], pa.uint64()), pa.uint64()),
        (pa.array([1], pa.uint64()), pa.array([-1]), pa.int64()),
        (pa.array([BIG]), pa.array([7.0, None]), pa.int64()),
        (pa.array([0.1], pa.float32()), pa.array([0.1]), pa.float64()),
        (pa.nulls(2), pa.array([1], pa.int16()), pa.int16()),
        (pa.array([1], pa.timestamp("ms", "UTC")), pa.array([1], pa.timestamp("us", "UTC")), pa.timestamp("us", "UTC")),
        (pa.array([Decimal("1.25")]), pa.array([Decimal("1000.5")]), pa.decimal128(6, 2)),
        (pa.array(["x"]), pa.array(["y"]).dictionary_encode(), pa.string()),
        (pa.array(["x"]), pa.array(["y"], pa.large_string()), pa.large_string()),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else str(value),
)
def test_keys_of_several_files_take_the_type_that_holds_all(
    tmp_path: Path, first: pa.Array, second: pa.Array, kind: pa.DataType
) -> None:
    batches = _read(tmp_path, pa.table({"key": first}), pa.table({"key": second}), keys=("key",))
    assert {batch.keys["key"].type for batch in batches} == {kind}
    found = [value for batch in batches for value in batch.keys["key"].to_pylist()]
    assert found == first.to_pylist() + second.to_pylist()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([1]), pa.array(["1"])),
        (pa.array([1], pa.timestamp("us", "UTC")), pa.array([1], pa.timestamp("us", "Asia/Tokyo"))),
        (pa.array([1], pa.timestamp("us", "UTC")), pa.array([1], pa.timestamp("us"))),
        (pa.array([date(2026, 1, 1)]), pa.array([1], pa.timestamp("us"))),
        (pa.array([True]), pa.array([1])),
    ],
    ids=lambda value: str(value.type),
)
def test_keys_that_no_type_holds_exactly_are_refused_with_both_files(
    tmp_path: Path, first: pa.Array, second: pa.Array
) -> None:
    with pytest.raises(InputError, match=r"partition p=1: the key 'key' is .*0\.parquet and .*1\.parquet"):
        _read(tmp_path, pa.table({"key": first}), pa.table({"key": second}), keys=("key",))


def test_a_named_type_stands_for_all_files(tmp_path: Path) -> None:
    tables = [pa.table({"key": [1]}), pa.table({"key": ["x"]})]
    batches = _read(tmp_path, *tables, keys=("key",), column_types={"key": "string"})
    assert [value for batch in batches for value in batch.keys["key"].to_pylist()] == ["1", "x"]


def test_a_key_that_does_not_fit_the_common_type_sets_its_row_apart(tmp_path: Path) -> None:
    columns = [pa.array([1, BIG]), pa.array([2.0, 2.5, 3.0]), pa.array([2**63], pa.uint64())]
    first, second, third = _read(tmp_path, *(pa.table({"key": column}) for column in columns), keys=("key",))
    assert first.keys["key"].to_pylist() == [1, BIG]
    assert second.keys["key"].to_pylist() == [2, 3]
    assert second.positions.tolist() == [0, 2]
    (bad,) = second.bad
    assert (bad.position, bad.raw) == (1, {"key": "2.5"})
    assert "p=1/1.parquet: column 'key': 2.5 is not exact as int64" in bad.message
    assert str(2**63) in third.bad[0].message


@pytest.mark.parametrize("as_key", [True, False])
def test_old_timestamps_come_out_exact_however_far_away(tmp_path: Path, as_key: bool) -> None:
    """INT96, as Spark wrote it: read as nanoseconds, 9999-12-31 is 1816-03-29."""
    times = [datetime(9999, 12, 31), datetime(2026, 1, 2, 3, 4, 5, 678901), datetime(1, 1, 1), None]
    table = pa.table({"t": pa.array(times, pa.timestamp("us")), "n": range(4)})
    (batch,) = _read(
        tmp_path,
        table,
        columns={} if as_key else {"t": "timestamp[us]"},
        keys=("n", "t") if as_key else ("n",),
        use_deprecated_int96_timestamps=True,
    )
    assert (batch.keys if as_key else batch.table)["t"].to_pylist() == times


@pytest.mark.parametrize("times", [[0, 1_000, 1_600_000_000_123_456_789], [-1]])
def test_old_timestamps_finer_than_microseconds_are_refused_not_cut(tmp_path: Path, times: list[int]) -> None:
    table = pa.table({"t": pa.array(times, pa.timestamp("ns"))})
    with pytest.raises(
        InputError, match=rf"0\.parquet, row {len(times) - 1}: column 't' holds .* nanoseconds as INT96"
    ):
        _read(tmp_path, table, keys=("t",), use_deprecated_int96_timestamps=True)


def test_old_timestamps_inside_lists_are_refused(tmp_path: Path) -> None:
    table = pa.table({"t": pa.array([[datetime(9999, 12, 31)]], pa.list_(pa.timestamp("us"))), "n": [1]})
    with pytest.raises(InputError, match="column 't' holds INT96 timestamps inside lists"):
        _read(tmp_path, table, keys=("t",), use_deprecated_int96_timestamps=True)


def test_a_file_without_rows_says_its_types(tmp_path: Path) -> None:
    kinds = pa.schema([("key", pa.timestamp("us", "UTC")), ("a", pa.int8())])
    (batch,) = _read(tmp_path, kinds.empty_table(), columns={"a": "float64"}, keys=("key",))
    assert batch.rows_read == 0
    assert batch.keys.schema == pa.schema([("key", pa.timestamp("us", "UTC"))])
    assert batch.table.schema == pa.schema([("a", pa.float64())])


def test_what_pandas_noted_about_an_index_is_left_aside(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [7, 8, 11], "a": [0.0, 1.0, 2.0]}).set_index("id")
    (batch,) = _read(tmp_path, pa.Table.from_pandas(frame), columns={"a": "float64"}, keys=("id",))
    assert batch.table.schema.metadata is None
    assert batch.keys["id"].to_pylist() == [7, 8, 11]


def test_times_keep_their_zone_and_unit(tmp_path: Path) -> None:
    times = pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("ms", "UTC"))
    (batch,) = _read(tmp_path, pa.table({"t": times}), columns={"t": "timestamp[us, tz=UTC]"}, keys=("t",))
    assert batch.keys["t"].type == pa.timestamp("ms", "UTC")
    assert batch.table["t"].type == pa.timestamp("us", "UTC")


def test_a_number_in_a_parquet_file_does_not_make_numbers_of_a_csv_files_texts(tmp_path: Path) -> None:
    folder = tmp_path / "p=1"
    folder.mkdir()
    (folder / "a.csv").write_text("key\n007\n7\n")
    pq.write_table(pa.table({"key": [9]}), folder / "b.parquet")
    dataset = PartitionedDataset(f"{tmp_path}/p={{p}}/")
    sources = [block.source for block in cut(dataset, dataset.partition({"p": "1"}), block_rows=1000, keys=("key",))]
    with pytest.raises(InputError, match=r"p=1: the key 'key' is int64 in .*b\.parquet and string in .*a\.csv"):
        key_types(sources, {"key": None}, {}, "p=1")
    assert key_types(sources, {"key": None}, {"key": "string"}, "p=1") == {"key": "string"}


@pytest.mark.parametrize(("group", "rows", "blocks"), [(100, 250, 4), (100, 100, 10), (1000, 200, 1), (30, 1000, 1)])
def test_a_file_is_cut_at_row_groups(tmp_path: Path, group: int, rows: int, blocks: int) -> None:
    pq.write_table(pa.table({"id": range(1000)}), tmp_path / "p_1.parquet", row_group_size=group)
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet")
    layout = cut(dataset, dataset.partition({"p": "1"}), block_rows=rows)
    assert len(layout) == blocks
    batches = [batch for block in layout for batch in read(dataset, block, {"id": "int64"})]
    assert [n for batch in batches for n in batch.table["id"].to_pylist()] == list(range(1000))


@pytest.mark.parametrize("how", ["zeros", "a flipped bit"])
def test_damage_in_a_page_is_an_error_that_names_the_file(tmp_path: Path, how: str) -> None:
    """A flipped bit is noticed if the writer gave its pages checksums, as Spark does."""
    path = tmp_path / "p_1.parquet"
    pq.write_table(pa.table({"id": range(5000)}), path, row_group_size=1000, write_page_checksum=True)
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet")
    if how == "zeros":
        whole = path.read_bytes()
        path.write_bytes(whole[:200] + b"\0" * 2000 + whole[2200:])
    else:
        flip_a_bit(path)
    (block, *_) = cut(dataset, dataset.partition({"p": "1"}), block_rows=10_000)
    with pytest.raises(InputError, match=r"p_1\.parquet.* is damaged"):
        list(read(dataset, block, {"id": "int64"}))


def test_types_are_those_of_the_columns_that_are_wanted(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([1], pa.int8()), "d": [date(2026, 1, 1)], "s": pa.array(["x"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "p_1.parquet")
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet")
    (block,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=10, keys=["d"])
    assert block.source.keys == (("d", "date32[day]"),)
    types = Parquet().types(block, dataset.settings, {"a", "s", "z"}.__contains__, sample=False)
    assert dict(types) == {"a": "int64", "s": "string"}
