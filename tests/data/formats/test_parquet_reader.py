from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.parquet_reader import ParquetReader
from airflow_batchscore.data.layout import layout_from_json, layout_to_json
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.opened import stamp_of

pytestmark = pytest.mark.unit


def _reader(path: Path, columns: list[str] | None = None, **options: int) -> ParquetReader:
    return ParquetReader(Location(str(path)), stamp_of(Location(str(path))), columns, **options)


def _write(path: Path, rows: int, group: int) -> None:
    pq.write_table(pa.table({"id": np.arange(rows), "a": np.arange(rows) / 2}), path, row_group_size=group)


def test_a_giant_row_group_is_cut_and_every_row_read_once_in_order(tmp_path: Path) -> None:
    _write(tmp_path / "p_1.parquet", 1000, 950)
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet")
    layout = cut(dataset, dataset.partition({"p": "1"}), block_rows=30, columns=["id"])
    assert [block.rows for block in layout[:2]] == [(0, 30), (30, 60)]
    assert layout[-1].rows == (0, 0)
    assert layout_from_json(layout_to_json(layout)) == layout
    ids = [
        n for block in layout for batch in read(dataset, block, {"id": "int64"}) for n in batch.table["id"].to_pylist()
    ]
    assert ids == list(range(1000))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 0, 2, 1], [1, 1, 3, 0]])
def test_parts_of_a_row_group_may_be_read_in_any_order(tmp_path: Path, order: list[int]) -> None:
    """As a retry does that finds some of them scored."""
    _write(tmp_path / "f.parquet", 400, 400)
    for place in order:
        reader = _reader(tmp_path / "f.parquet", ["id"])
        batches = list(reader.read((0, 1, 100 * place, 100 * place + 100), 30))
        assert [n for batch in batches for n in batch["id"].to_pylist()] == list(range(100 * place, 100 * place + 100))


def test_reading_on_goes_on_where_the_thread_stopped(tmp_path: Path) -> None:
    """Otherwise every part would read the row group from its start."""
    _write(tmp_path / "f.parquet", 2_000_000, 2_000_000)

    def bytes_read(start: int, stop: int) -> int:
        before = _io()
        list(_reader(tmp_path / "f.parquet", ["id"]).read((0, 1, start, stop), 10_000))
        return _io() - before

    bytes_read(0, 1_000_000)
    size = os.path.getsize(tmp_path / "f.parquet")
    assert bytes_read(1_000_000, 1_100_000) < size / 4
    assert bytes_read(900_000, 1_000_000) > size / 8  # going back means reading again


def _io() -> int:
    """Bytes that this process asked files for so far."""
    return int(
        next(line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("rchar")).split()[1]
    )


def test_long_texts_are_handed_on_a_few_rows_at_once(tmp_path: Path) -> None:
    text = "x" * 10_000  # one entry in the file's dictionary: the file itself is small
    pq.write_table(pa.table({"id": range(5000), "text": [text] * 5000}), tmp_path / "f.parquet")
    reader = _reader(tmp_path / "f.parquet", batch_bytes=1 << 20)
    rows = reader.batch_rows(block_rows=250_000)
    assert 90 <= rows <= 105
    batches = list(reader.read((0, 1, 0, 0), rows))
    assert max(batch.nbytes for batch in batches) < 2 << 20
    assert sum(batch.num_rows for batch in batches) == 5000


def test_rows_that_grow_longer_than_the_first_ones_are_sliced(tmp_path: Path) -> None:
    texts = ["x"] * 2000 + ["y" * 20_000] * 2000
    pq.write_table(pa.table({"text": texts}), tmp_path / "f.parquet")
    reader = _reader(tmp_path / "f.parquet", batch_bytes=1 << 20)
    batches = list(reader.read((0, 1, 0, 0), reader.batch_rows(250_000)))
    assert max(batch.nbytes for batch in batches) < 2 << 20
    assert [value for batch in batches for value in batch["text"].to_pylist()] == texts


def test_columns_that_are_not_wanted_do_not_count(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": range(10), "text": ["x" * 100_000] * 10}), tmp_path / "f.parquet")
    assert _reader(tmp_path / "f.parquet", ["id"], batch_bytes=1 << 20).batch_rows(1000) == 1000


def test_a_replaced_file_is_not_read_by_its_old_footer(tmp_path: Path) -> None:
    _write(tmp_path / "f.parquet", 100, 100)
    assert _reader(tmp_path / "f.parquet").metadata.num_rows == 100
    _write(tmp_path / "f.parquet", 200, 100)
    assert _reader(tmp_path / "f.parquet").metadata.num_rows == 200
