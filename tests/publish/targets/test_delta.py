"""A Delta table, as Delta's own library, Polars, DuckDB and Arrow see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lakes import Lake, lake, part_of, published, two_staged
from publications import chunks, publish, staged

from airflow_batchscore.errors import OutputError
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


@pytest.fixture
def there(tmp_path: Path) -> Any:
    with lake("delta", tmp_path / "lake") as made:
        yield made


@pytest.fixture
def manifests(tmp_path: Path) -> list[Manifest]:
    return two_staged(tmp_path / "staged")


def test_the_bytes_of_the_parts_are_the_tables(there: Lake, manifests: list[Manifest]) -> None:
    published(there, manifests)
    ((file,), _) = (there.files()[p] for p in (1, 2))
    parts = [Path(manifests[0].folder.uri, block.part) for block in manifests[0].blocks]
    assert chunks(Path(file)) == [chunk for part in parts for chunk in chunks(part)]
    assert pq.read_schema(file).names == ["id", "prediction"], "the partition's column stands in the log"


def test_every_reader_finds_each_row_once(there: Lake, manifests: list[Manifest]) -> None:
    import duckdb
    import polars as pl

    published(there, manifests)
    published(there, manifests[:1], 2, republish=True)
    dataset = there.opened().to_pyarrow_dataset()  # noqa: F841 - DuckDB finds it by its name
    counted = "SELECT p, count(*), min(id), max(id) FROM dataset GROUP BY p ORDER BY p"
    assert duckdb.sql(counted).fetchall() == [(1, 80_000, 0, 79_999), (2, 40_000, 80_000, 119_999)]
    frame = pl.read_delta(there.output)
    assert frame.group_by("p").len().sort("p").rows() == [(1, 80_000), (2, 40_000)]
    assert pl.scan_delta(there.output).filter(pl.col("id") == 90_000).collect().rows() == [(2, 90_000, 0.5)]
    assert frame.schema == {"p": pl.Int64, "id": pl.Int64, "prediction": pl.Float64}


def test_the_log_says_what_a_reader_may_leave_out(there: Lake, manifests: list[Manifest]) -> None:
    published(there, manifests)
    actions = pa.table(there.opened().get_add_actions(flatten=True)).to_pandas().set_index("partition.p")
    assert list(actions.loc[[1, 2], "num_records"]) == [80_000, 40_000]
    assert (actions.loc[1, "min.id"], actions.loc[1, "max.id"], actions.loc[1, "null_count.id"]) == (0, 79_999, 0)
    assert list(actions["size_bytes"]) == [Path(there.output, path).stat().st_size for path in actions["path"]]
    assert there.opened().history(1)[0]["batchscore"] == "dag/1"


def test_others_may_compact_and_clean_up_the_table(there: Lake, manifests: list[Manifest], tmp_path: Path) -> None:
    published(there, manifests)
    there.append(part_of(500_000, 3).add_column(0, "p", pa.array([2] * 3, pa.int64())))
    table = there.opened()
    assert table.optimize.compact()["numFilesRemoved"] == 2
    table.create_checkpoint()
    orphan = Path(there.output, "p=1/batchscore-0.parquet")
    orphan.write_bytes(b"of a publisher that was killed")
    removed = table.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    assert "p=1/batchscore-0.parquet" in removed
    again = published(there, manifests, 2).changes
    assert (again.unchanged, again.replaced) == (["p=1"], ["p=2"])
    assert there.rows() == {1: 80_000, 2: 40_000}


@pytest.mark.parametrize(("change", "what"), [
    (lambda table: table.alter.set_table_properties({"delta.appendOnly": "true"}), "has delta.appendOnly=true"),
    (lambda table: table.alter.add_constraint({"positive": "id >= 0"}), "has writer version 3"),
    (lambda table: table.alter.set_table_properties({"delta.enableChangeDataFeed": "true"}), "has writer version 4"),
])  # fmt: skip
def test_a_table_that_asks_more_of_its_writers_is_refused(
    there: Lake, manifests: list[Manifest], change: Any, what: str
) -> None:
    published(there, manifests)
    change(there.opened())
    with pytest.raises(OutputError, match=rf"{what}.*which this package does not write"):
        published(there, manifests, 2)


def test_a_column_without_nulls_gets_none(there: Lake, tmp_path: Path) -> None:
    columns = [
        pa.field("p", pa.int64()),
        pa.field("id", pa.int64(), nullable=False),
        pa.field("prediction", pa.float64()),
    ]
    there.create(pa.schema(columns), "p")
    good = staged(tmp_path / "good", 1, part_of(0, 3))
    bad = staged(tmp_path / "bad", 2, pa.table({"id": pa.array([1, None]), "prediction": [0.5, 0.5]}))
    with pytest.raises(OutputError, match=r"the column id .* is NOT NULL, and partition p=2 has nulls"):
        published(there, [good, bad])
    assert published(there, [good]).changes.added == ["p=1"]


def test_values_of_a_partition_are_numbers_or_any_text(there: Lake, tmp_path: Path) -> None:
    import polars as pl

    odd = "a b/c=%41 'ü\"" + "x" * 50
    first = staged(tmp_path / "odd", "odd", part_of(0, 3), partition={"p": odd}, digest="1")
    published(there, [first])
    assert there.rows() == {odd: 3}
    assert pl.read_delta(there.output)["p"].unique().to_list() == [odd]
    assert there.opened().vacuum(0, enforce_retention_duration=False, full=True) == []
    (log,) = Path(there.output, "_delta_log").glob("*0.json")
    (action,) = (json.loads(line)["add"] for line in log.read_text().splitlines() if line.startswith('{"add"'))
    assert Path(there.output, unquote(action["path"])).exists(), "the log has URLs"
    published(there, [staged(tmp_path / "two", "2", part_of(0, 4))], 2)
    assert there.rows() == {odd: 3, "2": 4}, "text stays text"
    assert published(there, [first], 3).changes.unchanged == [first.key]
    second = staged(tmp_path / "again", "odd", part_of(0, 5), partition={"p": odd}, digest="2")
    assert published(there, [second], 4).changes.replaced == [first.key]
    assert there.rows() == {odd: 5, "2": 4}


def test_a_number_of_a_partition_stays_as_it_is_written(there: Lake, manifests: list[Manifest], tmp_path: Path) -> None:
    published(there, manifests)
    for text in ("07", "-0", "--7", "x", str(1 << 70)):
        with pytest.raises(OutputError, match=rf"column p of the table .* is int64, which cannot hold p={text}"):
            published(there, [staged(tmp_path / text, text, part_of(0, 3))], 2)


def test_only_disks_and_s3_are_offered(there: Lake) -> None:
    with pytest.raises(OutputError, match="on a disk or on S3, not on gs://"):
        publish([], "gs://bucket/scores", table=there.table)
