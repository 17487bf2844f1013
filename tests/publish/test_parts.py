"""Parts are held to their manifest where they are published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publications import flip_a_bit, publish, staged

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.parts import common_schema, part_schema, read_parts
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

ROWS = 3000
SCHEMA = pa.schema([("id", pa.int64()), ("prediction", pa.float64())])


def _part(manifest: Manifest, number: int) -> Path:
    return Path(manifest.folder.uri) / manifest.blocks[number].part


def _scored(folder: Path, partition: int = 1, key: pa.DataType | None = None) -> Manifest:
    """A partition of two parts."""
    key = key or SCHEMA.field("id").type
    tables = []
    for number in (0, 1):
        ids = pa.array(range(ROWS * number, ROWS * (number + 1))).cast(key)
        tables.append(pa.table({"id": ids, "prediction": [n / 7 for n in range(ROWS)]}))
    return staged(folder, partition, *tables)


def test_parts_are_read_in_the_order_of_their_rows(tmp_path: Path) -> None:
    manifest = _scored(tmp_path)
    assert part_schema(manifest) == SCHEMA
    tables = list(read_parts(manifest))
    assert [table.schema for table in tables] == [SCHEMA, SCHEMA]
    assert [n for table in tables for n in table["id"].to_pylist()] == list(range(2 * ROWS))


@pytest.mark.parametrize("first", [1, 2])
def test_parts_of_which_one_says_that_nothing_is_null_make_one_file(tmp_path: Path, first: int) -> None:
    table = pa.table({"id": list(range(ROWS)), "prediction": [n / 7 for n in range(ROWS)]})
    never_null = table.cast(pa.schema([pa.field("id", pa.int64(), nullable=False), SCHEMA.field("prediction")]))
    manifests = {1: staged(tmp_path, 1, table), 2: staged(tmp_path, 2, never_null)}
    publish([manifests[first], manifests[3 - first]], tmp_path / "out.parquet")
    read = pq.read_table(tmp_path / "out.parquet")
    assert read["id"].to_pylist() == 2 * table["id"].to_pylist()


@pytest.mark.parametrize("number", [0, 1])
def test_a_part_with_a_flipped_bit_is_damaged(tmp_path: Path, number: int) -> None:
    manifest = _scored(tmp_path)
    flip_a_bit(_part(manifest, number))
    with pytest.raises(
        GateError, match=rf"partition p=1: .*part-{number}\.parquet is damaged .*; score it again with force"
    ):
        list(read_parts(manifest))


@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out"])
def test_nothing_is_published_of_a_run_with_a_damaged_part(tmp_path: Path, output: str) -> None:
    manifests = [_scored(tmp_path, p) for p in (1, 2)]
    flip_a_bit(_part(manifests[1], 1))
    with pytest.raises(GateError, match="partition p=2: .*is damaged"):
        combine(manifests, Location(f"{tmp_path}/{output}"))
    assert not (tmp_path / output).exists()


@pytest.mark.parametrize("number", [0, 1])
def test_a_part_with_a_damaged_footer_is_damaged_and_not_tried_again(tmp_path: Path, number: int) -> None:
    manifest = _scored(tmp_path)
    whole = bytearray(_part(manifest, number).read_bytes())
    whole[-60:-20] = b"\xff" * 40
    _part(manifest, number).write_bytes(whole)
    with pytest.raises(GateError, match=rf"(?s)p=1: .*part-{number}\.parquet is damaged .*; score it again with force"):
        list(read_parts(manifest))
    if number == 0:
        with pytest.raises(GateError, match=r"(?s)p=1: .*part-0\.parquet is damaged"):
            part_schema(manifest)


@pytest.mark.parametrize("number", [0, 1])
def test_a_part_that_is_gone_is_not_tried_again(tmp_path: Path, number: int) -> None:
    manifest = _scored(tmp_path)
    _part(manifest, number).unlink()
    with pytest.raises(GateError, match=rf"p=1: .*part-{number}\.parquet is gone; score it again with force"):
        list(read_parts(manifest))
    if number == 0:
        with pytest.raises(GateError, match=r"part-0\.parquet is gone"):
            part_schema(manifest)


def test_a_part_with_other_rows_than_its_manifest_is_refused(tmp_path: Path) -> None:
    manifest = _scored(tmp_path)
    pq.write_table(pq.read_table(_part(manifest, 1), partitioning=None).slice(1), _part(manifest, 1))
    tables = read_parts(manifest)
    assert next(tables).num_rows == ROWS
    with pytest.raises(GateError, match=r"p=1: .*part-1\.parquet holds 2999 rows, its manifest says 3000"):
        next(tables)


def test_parts_with_other_columns_than_the_first_are_refused(tmp_path: Path) -> None:
    manifest = _scored(tmp_path)
    table = pq.read_table(_part(manifest, 1), partitioning=None)
    pq.write_table(table.set_column(0, "id", table["id"].cast(pa.string())), _part(manifest, 1))
    with pytest.raises(OutputError, match=r"p=1: .*part-1\.parquet has the columns .*string.* first part has .*int64"):
        list(read_parts(manifest))


def test_partitions_have_one_type_for_each_key(tmp_path: Path) -> None:
    small, large = _scored(tmp_path, 1, pa.int32()), _scored(tmp_path, 2)
    assert common_schema([small]).field("id").type == pa.int32()
    assert common_schema([small, large]) == common_schema([large, small]) == SCHEMA
    assert {table.schema.field("id").type for table in read_parts(small, SCHEMA)} == {pa.int64()}


@pytest.mark.parametrize(
    ("key", "keys"),
    [(pa.string(), ["id"]), (pa.int32(), [])],
    ids=["no type holds both", "outputs keep their type"],
)
def test_partitions_that_do_not_fit_together_are_both_named(tmp_path: Path, key: pa.DataType, keys: list[str]) -> None:
    one, other = _scored(tmp_path, 1), replace(_scored(tmp_path, 2, key), keys=keys)
    with pytest.raises(OutputError, match=r"partition p=2 has the columns .*, partition p=1 has .* must have the same"):
        common_schema([one, other])


def test_a_value_that_is_not_exact_in_the_type_of_all_is_named_with_its_row(tmp_path: Path) -> None:
    manifest = _scored(tmp_path, 1, pa.float64())
    table = pq.read_table(_part(manifest, 1), partitioning=None)
    ids = pa.array([2.5 if n == 7 else float(n) for n in range(ROWS)])
    pq.write_table(table.set_column(0, "id", ids), _part(manifest, 1))
    tables = read_parts(manifest, SCHEMA)
    assert next(tables)["id"].type == pa.int64()
    with pytest.raises(OutputError, match=r"p=1: .*part-1\.parquet, row 7: column 'id': 2\.5 is not exact as int64"):
        next(tables)
