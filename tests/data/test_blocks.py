"""A partition is cut into blocks in the order of its rows, and columns that are not there are named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packages import install
from support import good_rows, write_csv

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import cut, read, require_columns
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.csv_format import Csv
from airflow_batchscore.data.formats.registry import GROUP
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


def test_blocks_of_several_files_are_numbered_in_the_order_of_the_files(tmp_path: Path) -> None:
    for name, rows in (("b", 30), ("a", 20), ("c", 0)):
        write_csv(tmp_path / "p=1" / f"{name}.csv", good_rows(rows, 100))
    dataset = PartitionedDataset(f"{tmp_path}/p={{p}}/")
    blocks = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)
    assert [block.index for block in blocks] == list(range(len(blocks)))
    rows = [
        (Path(block.source.uri).name, batch.rows_read)
        for block in blocks
        for batch in read(dataset, block, {"a": None})
    ]
    assert [name for name, _ in rows] == sorted(name for name, _ in rows)
    assert sum(count for _, count in rows) == 50
    assert rows[-1] == ("c.csv", 0), "a file without rows is a block too"


def test_a_block_is_named_by_its_file_and_its_place(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(1000)}), tmp_path / "p_1.parquet")
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet")
    (whole,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=1000)
    assert whole.name == f"block 0 ({tmp_path}/p_1.parquet, row_groups 0 to 1)"
    second = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)[1]
    assert second.name == f"block 1 ({tmp_path}/p_1.parquet, row_groups 0 to 1, rows 10 to 20)"


def test_a_file_that_cannot_be_cut_is_named_with_its_partition(tmp_path: Path) -> None:
    (tmp_path / "p_1.parquet").write_bytes(b"PAR1 cut off")
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet")
    with pytest.raises(InputError, match=r"partition p=1: .*p_1\.parquet cannot be read as Parquet"):
        cut(dataset, dataset.partition({"p": "1"}), block_rows=10)


def test_missing_and_doubled_columns_are_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "p_1.csv", [(1, 2, 3)], header=("id", "a", "a"))
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.csv")
    source = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)[0].source
    with pytest.raises(InputError, match=r"partition p=1: .*lacks the columns \['b'\]\. .* It has id, a, a"):
        require_columns(source, ["id", "b"], partition_key="p=1")
    with pytest.raises(InputError, match=r"more than one column named \['a'\]"):
        require_columns(source, ["id", "a"], partition_key="p=1")


def test_a_renamed_column_is_guessed(tmp_path: Path) -> None:
    write_csv(tmp_path / "p_1.csv", [(1, 2, 3)], header=("id", "winner_points", "loser_rank_points"))
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.csv")
    source = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)[0].source
    with pytest.raises(InputError, match=r"Does it say winner_points for winner_rank_points\? Write the file"):
        require_columns(source, ["winner_rank_points", "loser_rank_points"], partition_key="p=1")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_header_that_another_delimiter_cuts_asks_for_it(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "p_1.csv").write_text(f"id{delimiter}a\n1{delimiter}2\n")
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.csv")
    source = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)[0].source
    with pytest.raises(InputError) as caught:
        require_columns(source, ["id", "a"], partition_key="p=1")
    option = f'read_options={{"delimiter": {json.dumps(delimiter)}}}'
    assert str(caught.value).endswith(f"Is the delimiter {delimiter!r}? Then write PartitionedDataset(..., {option})")


BIG = 2**53 + 1


def _write(folder: Path, suffix: str, values: list[int | None]) -> PartitionedDataset:
    rows = [{"id": n, "v": value} for n, value in enumerate(values)]
    path = folder / f"p_1{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows, pa.schema([("id", pa.int64()), ("v", pa.int64())])), path)
    elif suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    else:
        write_csv(path, [(row["id"], "" if row["v"] is None else row["v"]) for row in rows], header=("id", "v"))
    types = {} if suffix == ".parquet" else {"v": "int64", "id": "int64"}
    return PartitionedDataset(f"{folder}/p_{{p}}{suffix}", read_options={"column_types": types} if types else {})


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_an_integer_that_pandas_would_round_beside_a_missing_one_is_a_bad_row(tmp_path: Path, suffix: str) -> None:
    dataset = _write(tmp_path, suffix, [1, None, BIG, 2, -BIG])
    (block,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)
    (batch,) = read(dataset, block, {"v": "int64"}, {"id": "int64"})
    assert batch.table.column("v").to_pylist() == [1, None, 2]
    assert batch.keys.column("id").to_pylist() == [0, 1, 3]
    assert batch.positions.tolist() == [0, 1, 3]
    assert [(row.position, str(BIG) in row.message) for row in batch.bad] == [(2, True), (4, True)]
    assert all("pandas makes floats" in row.message and row.raw["id"] == str(row.position) for row in batch.bad)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_large_integers_without_a_missing_one_stay_as_they_are(tmp_path: Path, suffix: str) -> None:
    dataset = _write(tmp_path, suffix, [1, BIG])
    (block,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)
    (batch,) = read(dataset, block, {"v": "int64"})
    assert (batch.table.column("v").to_pylist(), batch.bad) == ([1, BIG], [])


class Short(Csv):
    """Loses a row of the table, and not of the keys."""

    def read(self, *arguments: Any) -> Iterator[Batch]:
        for batch in super().read(*arguments):
            yield replace(batch, table=batch.table.slice(1))


class Text(Csv):
    """Gives text for numbers."""

    def read(self, *arguments: Any) -> Iterator[Batch]:
        for batch in super().read(*arguments):
            yield replace(batch, table=batch.table.cast(pa.schema([("a", pa.string())])))


@pytest.mark.parametrize(
    ("kind", "problem"), [(Short, "4 rows, for 5 positions"), (Text, "other types .* a is string")]
)
def test_a_format_that_returns_something_else_than_was_asked_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Csv], problem: str
) -> None:
    install(monkeypatch, tmp_path / "site", "odd", GROUP, {".odd": f"{__name__}:{kind.__name__}"})
    write_csv(tmp_path / "p_1.odd", good_rows(5))
    dataset = PartitionedDataset(f"{tmp_path}/p_{{p}}.odd")
    (block,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)
    with pytest.raises(InputError, match=f"the format 'odd' returned a table with {problem}.*defect"):
        list(read(dataset, block, {"a": "float64"}, {"id": None}))
