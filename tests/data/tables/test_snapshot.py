"""What a version of a table says of its files, and which places files may be at."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.snapshot import Folder, Snapshot, TableFile
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("folder", "path", "uri"),
    [
        ("s3://lake/games", "day=1/x.parquet", "s3://lake/games/day=1/x.parquet"),
        ("s3://lake/games/", "s3a://lake/games/day=1/x%20y.parquet", "s3://lake/games/day=1/x%20y.parquet"),
        ("/lake/games", "file:/lake/games/x.parquet", "/lake/games/x.parquet"),
        ("/lake/games", "file:///lake/games/x.parquet", "/lake/games/x.parquet"),
        ("file:///lake/games", "/lake/games/./x.parquet", "file:///lake/games/x.parquet"),
    ],
)
def test_files_below_the_folder(folder: str, path: str, uri: str) -> None:
    assert Folder(Location(folder), "the table").uri_of(path) == uri


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("s3://lake/games", "s3://lake/games2/x.parquet"),
        ("s3://lake/games", "s3://other/games/x.parquet"),
        ("s3://lake/games", "s3://lake/games"),
        ("s3://lake/games", "/lake/games/x.parquet"),
        ("/lake/games", "../x.parquet"),
        ("/lake/games", "/lake/games/../x.parquet"),
        ("/lake/games", "s3://lake/games/x.parquet"),
    ],
)
def test_files_elsewhere(folder: str, path: str) -> None:
    with pytest.raises(InputError, match=f"the table has the data file .*, which lies outside of {folder} and was not"):
        Folder(Location(folder), "the table").uri_of(path)


def test_links_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "games")
    folder = Folder(Location(f"{tmp_path}/link"), "the table")
    assert folder.uri_of(f"{tmp_path}/games/x.parquet") == f"{tmp_path}/link/x.parquet"


def test_one_file_with_rows_of_several_partitions_is_enough_to_look_at_rows() -> None:
    whole, mixed = TableFile("b", 1, 0, ("x",)), TableFile("a", 1, 0, (None,))
    assert Snapshot.of("t", "1", [], [whole]).is_whole
    made = Snapshot.of("t", "1", [], [whole, mixed])
    assert [file.uri for file in made.files] == ["a", "b"]
    assert not made.is_whole
    assert not made.without_files().is_whole, "workers divide rows, too"
