"""Files that lie in a table's folder are not read by their names: those of older versions are there, too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from s3_server import s3_client, s3_options
from source_tables import KINDS, SourceTable, games, source_table

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.data.tables.folders import DELTA
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.publish.targets.partition_files import require_no_table

pytestmark = pytest.mark.unit

SAID = {
    "delta": r"is a Delta table: its folder also holds files of older versions.*table=Delta\(\).*--data-table delta",
    "iceberg": r"is an Iceberg table: .*table=Iceberg\('namespace.table', .*--data-table iceberg:namespace",
}


@pytest.fixture(scope="module", params=KINDS)
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceTable]:
    """Of its day, all rows were replaced."""
    with source_table(request.param, tmp_path_factory.mktemp("lake"), "day") as made:
        made.append(games(1))
        made.replace_day(1, games(1, 5))
        yield made


def _data(table: SourceTable) -> str:
    """Where the data files lie."""
    return table.uri if table.kind == "delta" else f"{table.uri}/data"


@pytest.mark.parametrize(
    ("below", "partition_by"),
    [
        ("/", "id % 2"),
        ("/day=*/*.parquet", "id % 2"),
        ("/day=2026-04-01/", "id % 2"),
        ("/day=2026-04-01/{part}.parquet", None),
        ("/day={day}/*.parquet", None),
        ("/day={day}/", None),
    ],
)
def test_the_data_files_of_a_table_are_not_read(table: SourceTable, below: str, partition_by: str | None) -> None:
    dataset = PartitionedDataset(_data(table) + below, partition_by=partition_by, format="parquet")
    with pytest.raises(InputError, match=SAID[table.kind]) as refused:
        dataset.discover()
    assert f"PartitionedDataset('{table.uri}', table=" in str(refused.value)
    with pytest.raises(InputError, match=SAID[table.kind]):
        dataset.require()


def test_a_table_around_or_below_the_folder_is_seen(table: SourceTable, tmp_path: Path) -> None:
    for uri in (f"{table.uri}/", f"{table.folder}/", f"{table.folder}/g*/"):
        with pytest.raises(InputError, match=SAID[table.kind]):
            PartitionedDataset(uri, partition_by="id % 2", format="parquet").discover()
    (tmp_path / "link").symlink_to(f"{_data(table)}/day=2026-04-01")
    with pytest.raises(InputError, match=SAID[table.kind]):
        PartitionedDataset(f"{tmp_path}/link/{{part}}.parquet").discover()


def test_files_without_folders_of_partitions(tmp_path: Path) -> None:
    with source_table("delta", tmp_path) as table:
        table.append(games(1))
        for uri, by in {f"{table.uri}/*.parquet": "id % 2", f"{table.uri}/{{part}}.parquet": None}.items():
            with pytest.raises(InputError, match=SAID["delta"]):
                PartitionedDataset(uri, partition_by=by).discover()


def test_files_beside_a_table_a_copy_and_its_log_are_read(table: SourceTable, tmp_path: Path) -> None:
    beside = table.folder / "beside"
    beside.mkdir(exist_ok=True)
    pq.write_table(games(1), beside / "1.parquet")
    assert len(PartitionedDataset(f"{table.folder}/b{{rest}}/*.parquet").discover()) == 1
    (copied,) = table.dataset().discover()
    Path(tmp_path, "data").mkdir()
    for file in copied.files:
        shutil.copy(file.uri, tmp_path / "data")
    assert len(PartitionedDataset(f"{tmp_path}/data/{{part}}.parquet").discover()) == len(copied.files)
    log = "_delta_log/{number}.json" if table.kind == "delta" else "metadata/{number}.metadata.json"
    assert PartitionedDataset(f"{table.uri}/{log}", format="jsonl").discover()


def test_names_alone_make_no_table(tmp_path: Path) -> None:
    for name in ("_delta_log/.tmp", "metadata/about.metadata.json", "metadata/1.json", "data/a.parquet", "a.parquet"):
        Path(tmp_path, name).parent.mkdir(exist_ok=True)
        Path(tmp_path, name).touch()
    for uri in (f"{tmp_path}/{{name}}.parquet", f"{tmp_path}/data/{{name}}.parquet", f"{tmp_path}/d{{x}}/*.parquet"):
        assert len(PartitionedDataset(uri).discover()) == 1


def test_a_folder_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert PartitionedDataset(f"{tmp_path}/none/", partition_by="id % 2", format="parquet").discover() == []


def test_scores_are_not_published_into_a_table(table: SourceTable) -> None:
    with pytest.raises(OutputError, match=r"holds an? .* table, whose .*\(table=.*, on the command line --table"):
        require_no_table(Location(table.uri))


def test_in_a_store_one_more_listing_tells(moto: str, tmp_path: Path) -> None:
    credentials.register("test", s3_options(moto))
    with source_table("delta", tmp_path, "day") as table:
        table.append(games(1))
        for path in filter(Path.is_file, Path(table.uri).rglob("*")):
            s3_client(moto).upload_file(str(path), "tennis", f"games/{path.relative_to(table.uri)}")
    assert DELTA.is_in(Location("s3://tennis/games", "test"))
    for below in ("", "day={day}/", "day=2026-04-01/{part}.parquet"):
        by = None if "{" in below else "id % 2"
        with pytest.raises(InputError, match="s3://tennis/games is a Delta table"):
            PartitionedDataset(f"s3://tennis/games/{below}", "parquet", "test", partition_by=by).discover()
