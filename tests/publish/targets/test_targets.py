"""Which target an output's URI chooses, and what becomes of targets that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from packages import install

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.targets import GROUP, target_of
from airflow_batchscore.publish.targets.csv_file import CsvTarget
from airflow_batchscore.publish.targets.folder import FolderTarget
from airflow_batchscore.publish.targets.parquet_file import ParquetTarget

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("uri", "kind", "files"),
    [
        ("/d/x.parquet", ParquetTarget, ["/d/x.parquet"]),
        ("s3://b/x.csv", CsvTarget, ["s3://b/x.csv"]),
        ("s3://b/x/", FolderTarget, ["s3://b/x/p=1/scores.parquet", "s3://b/x/p=2/scores.parquet"]),
        ("/d/x.jsonl/", FolderTarget, ["/d/x.jsonl/p=1/scores.parquet", "/d/x.jsonl/p=2/scores.parquet"]),
    ],
)
def test_the_end_of_the_uri_chooses_the_target_and_it_says_what_it_writes(
    uri: str, kind: type, files: list[str]
) -> None:
    target = target_of(Location(uri, "conn"))
    assert (type(target), target.location) == (kind, Location(uri, "conn"))
    assert target.files(["p=1", "p=2"]) == files


def test_other_packages_add_suffixes_and_the_longest_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"one file ends in .parquet .* or .csv"):
        target_of(Location("/d/x.csv.gz"))
    parquet = "airflow_batchscore.publish.targets.parquet_file:ParquetTarget"
    install(monkeypatch, tmp_path, "more", GROUP, {".csv.gz": parquet, ".gz": "no_such_package:Target"})
    assert isinstance(target_of(Location("/d/x.csv.gz")), ParquetTarget)


def test_another_package_does_not_take_over_a_suffix_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, "takes_over", GROUP, {".parquet": "no_such_package:Target"})
    assert isinstance(target_of(Location("/d/x.parquet")), ParquetTarget)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "no_such_package:Target",
            r"the output \.odd cannot be imported from no_such_package:Target of the package broken",
        ),
        ("packages:no_such_name", "cannot be imported from packages:no_such_name .*has no attribute"),
        ("packages:no_target", "is not a class that derives from PublishTarget"),
        ("airflow_batchscore.publish.targets:PublishTarget", "cannot be made: .*abstract.*publish"),
    ],
)
def test_a_target_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    install(monkeypatch, tmp_path, "broken", GROUP, {".odd": path})
    with pytest.raises(OutputError, match=message):
        target_of(Location("/d/x.odd"))


def test_two_packages_that_claim_one_suffix_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path / "one", "one", GROUP, {".odd": "packages:install"})
    install(monkeypatch, tmp_path / "two", "two", GROUP, {".odd": "packages:Path"})
    with pytest.raises(OutputError, match=r"packages:Path of two, packages:install of one\); uninstall all but one"):
        target_of(Location("/d/x.odd"))


def test_a_name_that_is_no_suffix_takes_no_folder_and_is_refused_where_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path, "lite", GROUP, {"sqlite": "sqlite_target:SqliteTarget"})
    assert isinstance(target_of(Location("/d/my_sqlite")), FolderTarget)
    with pytest.raises(OutputError, match=r"lite registers sqlite_target:SqliteTarget as 'sqlite'.* '\.sqlite'"):
        target_of(Location("/d/x.sqlite"))
