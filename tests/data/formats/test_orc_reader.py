"""ORC stripes as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.orc as orc
import pytest

from airflow_batchscore.data.formats.orc_reader import OrcReader
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.opened import open_input
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

TABLE = pa.table({"id": range(20_000), "s": [f"text {n * 7919 % 10_007}" for n in range(20_000)], "a.b": range(20_000)})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of several stripes."""
    path = tmp_path_factory.mktemp("orc") / "x.orc"
    with orc.ORCWriter(path, stripe_size=1 << 15, batch_size=1000) as writer:
        writer.write(TABLE)
    return path


@contextmanager
def _reader(path: Path, *columns: str) -> Iterator[OrcReader]:
    with open_input(Location(str(path))) as opened:
        yield OrcReader(opened, columns or None)


def test_a_file_says_how_many_rows_and_stripes_it_has(path: Path) -> None:
    with _reader(path, "id") as reader:
        assert (reader.rows, reader.schema) == (20_000, TABLE.schema)
        assert reader.stripes == orc.ORCFile(path).nstripes > 3


@pytest.mark.parametrize("columns", [(), ("id",), ("s", "id"), ("a.b",)])
def test_stripes_and_a_stream_have_the_same_rows(path: Path, columns: tuple[str, ...]) -> None:
    expected = TABLE.select([name for name in TABLE.column_names if not columns or name in columns])
    with _reader(path, *columns) as reader:
        read, streamed = list(reader.read(range(reader.stripes), 700)), list(reader.stream(700))
    for batches in (read, streamed):
        assert pa.Table.from_batches(batches) == expected
        assert max(batch.num_rows for batch in batches) <= 700


def test_without_columns_rows_are_counted(path: Path) -> None:
    with _reader(path, "none of these") as reader:
        batches = [*reader.read(range(1), 100_000), *reader.read(range(1, reader.stripes), 100_000)]
        assert {batch.num_columns for batch in batches} == {0}
        assert sum(batch.num_rows for batch in batches) == 20_000


def test_the_size_of_a_row_is_that_of_the_columns_that_are_read(path: Path) -> None:
    with _reader(path, "id") as one, _reader(path) as every:
        assert one.row_bytes() == 8
        assert every.row_bytes() > 20


def test_a_file_without_rows_has_rows_of_some_size(tmp_path: Path) -> None:
    orc.write_table(TABLE.slice(0, 0), tmp_path / "x.orc")
    with _reader(tmp_path / "x.orc") as reader:
        assert (reader.rows, reader.row_bytes()) == (0, 1)
        assert list(reader.read(range(reader.stripes), 10)) == []


def test_a_damaged_footer_is_said_to_be_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "x.orc").write_bytes(path.read_bytes()[:-50])
    with (
        pytest.raises(InputError, match=r"x\.orc cannot be read as ORC, its footer is damaged"),
        _reader(tmp_path / "x.orc"),
    ):
        pytest.fail("it was read")


def test_damage_in_the_first_rows_is_said_where_their_size_is_asked(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    (tmp_path / "x.orc").write_bytes(whole[:100] + bytes(len(whole) // 2) + whole[100 + len(whole) // 2 :])
    with _reader(tmp_path / "x.orc") as reader, pytest.raises(InputError, match=r"x\.orc is damaged"):
        reader.row_bytes()
