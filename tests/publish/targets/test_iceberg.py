"""An Iceberg table, as pyiceberg, Polars, DuckDB and Arrow see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lakes import Lake, lake
from publications import chunks, publish, staged

from airflow_batchscore import Iceberg
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


@pytest.fixture
def there(tmp_path: Path) -> Any:
    with lake("iceberg", tmp_path / "lake") as made:
        yield made


def _part(start: int, rows: int) -> pa.Table:
    ids = pa.array(range(start, start + rows), pa.int64())
    return pa.table({"id": ids, "prediction": pa.array([0.5] * rows)})


@pytest.fixture
def manifests(tmp_path: Path) -> list[Manifest]:
    """Partition 1 of two parts, and partition 2, with row groups that are large enough to be copied."""
    return [
        staged(tmp_path / "staged", 1, _part(0, 40_000), _part(40_000, 40_000)),
        staged(tmp_path / "staged", 2, _part(80_000, 40_000)),
    ]


def _publish(there: Lake, manifests: list[Manifest], generation: int = 1, **options: Any) -> Any:
    return publish(manifests, there.output, generation, table=there.table, **options)


def test_the_bytes_of_the_parts_are_the_tables_behind_the_partitions_column(
    there: Lake, manifests: list[Manifest]
) -> None:
    _publish(there, manifests)
    (file,) = there.files()[1]
    parts = [Path(manifests[0].folder.uri, block.part) for block in manifests[0].blocks]
    assert [columns[1:] for columns in chunks(Path(file))] == [chunk for part in parts for chunk in chunks(part)]
    assert pq.read_table(file, partitioning=None).column("p").unique().to_pylist() == [1]


def test_every_reader_finds_each_row_once(
    there: Lake, manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    import duckdb
    import polars as pl

    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    _publish(there, manifests)
    _publish(there, manifests[:1], 2, republish=True)
    table = there.opened()
    rows = table.scan().to_arrow()
    counted = "SELECT p, count(*), min(id), max(id) FROM rows GROUP BY p ORDER BY p"
    expected = [(1, 80_000, 0, 79_999), (2, 40_000, 80_000, 119_999)]
    assert (duckdb.sql(counted).fetchall(), len(rows)) == (expected, 120_000)
    files = [file for own in there.files().values() for file in own]
    assert duckdb.read_parquet(files).query("rows", counted).fetchall() == expected
    frame = pl.scan_iceberg(table).filter(pl.col("id") >= 79_998).collect()
    assert frame.group_by("p").len().sort("p").rows() == [(1, 2), (2, 40_000)]
    assert table.scan(row_filter="p == 2 and id < 80002").to_arrow().num_rows == 2


def test_a_commit_is_one_snapshot_that_names_the_run(there: Lake, manifests: list[Manifest]) -> None:
    _publish(there, manifests)
    version = _publish(there, [manifests[1], *manifests[:1]], 2).changes.version
    snapshot = there.opened().current_snapshot()
    assert (str(snapshot.snapshot_id), snapshot.summary["batchscore.run"]) == (version, "dag/2")
    assert snapshot.summary["total-records"] == "120000"
    assert there.opened().spec().fields[0].name == "p"


def test_a_table_partitioned_by_more_than_values_is_refused(there: Lake, manifests: list[Manifest]) -> None:
    from pyiceberg.transforms import BucketTransform

    table = there.create(pa.schema([("p", pa.int64()), ("id", pa.int64()), ("prediction", pa.float64())]))
    with table.update_spec() as spec:
        spec.add_field("id", BucketTransform(4), "id_bucket")
    with pytest.raises(OutputError, match=r"is partitioned by .*bucket\[4\].*only the values of columns"):
        _publish(there, manifests)


def test_files_of_an_earlier_partitioning_are_refused(there: Lake, manifests: list[Manifest]) -> None:
    table = there.create(pa.schema([("p", pa.int64()), ("id", pa.int64()), ("prediction", pa.float64())]))
    table.append(_part(0, 3).add_column(0, "p", pa.array([1] * 3, pa.int64())))
    with table.update_spec() as spec:
        spec.add_identity("p")
    with pytest.raises(OutputError, match="has files of an earlier partition spec"):
        _publish(there, manifests)


def test_a_column_without_nulls_gets_none(there: Lake, tmp_path: Path) -> None:
    columns = [
        pa.field("p", pa.int64()),
        pa.field("id", pa.int64(), nullable=False),
        pa.field("prediction", pa.float64()),
    ]
    there.create(pa.schema(columns), "p")
    bad = staged(tmp_path / "bad", 2, pa.table({"id": pa.array([1, None]), "prediction": [0.5, 0.5]}))
    with pytest.raises(OutputError, match="the scores do not fit tennis.scores"):
        _publish(there, [bad])
    assert there.versions() == 0


def test_the_table_lies_where_output_uri_says(there: Lake, manifests: list[Manifest], tmp_path: Path) -> None:
    _publish(there, manifests)
    with pytest.raises(OutputError, match=rf"lies at file://{there.output}. Let output_uri name that folder"):
        publish(manifests, tmp_path / "elsewhere", 2, table=there.table)


def test_a_catalog_or_namespace_that_is_missing_is_named(
    there: Lake, manifests: list[Manifest], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"Give the catalog's properties in an Airflow connection"):
        publish(manifests, tmp_path / "x", table=Iceberg("tennis.scores", "nowhere"))
    with pytest.raises(OutputError, match="the catalog lake has no namespace golf. Create it"):
        publish(manifests, tmp_path / "x", table=Iceberg("golf.scores", "lake", "lake"))


def test_texts_of_a_partition_are_kept_whole(there: Lake, tmp_path: Path) -> None:
    odd = "a b/c=%41 'ü\"" + "x" * 50
    first = staged(tmp_path / "odd", "odd", _part(0, 3), partition={"p": odd}, digest="1")
    _publish(there, [first])
    _publish(there, [staged(tmp_path / "two", "2", _part(0, 4))], 2)
    assert there.rows() == {odd: 3, "2": 4}
    assert _publish(there, [first], 3).changes.unchanged == [first.key]
