from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_batchscore.data.formats.parquet_footer import DamagedParquetError, read_footer
from airflow_batchscore.data.storage import Location

pytestmark = pytest.mark.unit


def _damaged(path: Path) -> dict[str, bytes]:
    """Ways in which a file can be damaged -> what is left of it."""
    pq.write_table(pa.table({"id": range(100), "name": ["x"] * 100}), path)
    whole = path.read_bytes()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    schema = whole.index(b"ARROW:schema") + 40
    return {
        "thrift": whole[:start] + b"\xff" * 40 + whole[start + 40 :],
        "arrow schema": whole[:schema] + b"!" * 80 + whole[schema + 80 :],
        "cut off": whole[:-20],
        "length": whole[:-8] + b"\xff\xff\xff\x7f" + whole[-4:],
        "empty": b"",
        "text": b"id,name\n1,x\n",
        "magic only": b"PAR1",
    }


@pytest.mark.parametrize("how", ["thrift", "arrow schema", "cut off", "length", "empty", "text", "magic only"])
def test_a_damaged_footer_is_never_taken_for_a_store_that_failed(tmp_path: Path, how: str) -> None:
    path = tmp_path / "f.parquet"
    path.write_bytes(_damaged(path)[how])
    with pytest.raises(DamagedParquetError, match=r"f\.parquet cannot be read as Parquet"):
        read_footer(Location(str(path)))


def test_every_flipped_byte_of_a_footer_gives_a_footer_or_says_damage(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"id": range(3)}), path)
    whole = path.read_bytes()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in range(start, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(DamagedParquetError):
            read_footer(Location(str(path)))


def test_a_footer_larger_than_the_first_read_is_read_whole(tmp_path: Path) -> None:
    names = [f"column {n} " + "x" * 100 for n in range(500)]
    pq.write_table(pa.table({name: [n] for n, name in enumerate(names)}), tmp_path / "f.parquet")
    assert read_footer(Location(str(tmp_path / "f.parquet"))).schema.to_arrow_schema().names == names


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_footer(Location(str(tmp_path / "f.parquet")))
