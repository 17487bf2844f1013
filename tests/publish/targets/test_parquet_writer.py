"""Published Parquet files are made of the bytes of parts where nothing has to change, and encoded again elsewhere."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publications import chunks, flip_a_bit, publish, staged
from support import good_rows, small

from airflow_batchscore.data.formats.parquet_footer import footer_digest
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.stamp import PartitionStamp, Publication
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.publish.targets import parquet_writer
from airflow_batchscore.publish.targets.parquet_file import read_statement
from airflow_batchscore.publish.targets.parquet_writer import write_partition
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

ROWS = 3000


def _table(first: int = 0, rows: int = ROWS, key: pa.DataType | None = None) -> pa.Table:
    ids = pa.array(range(first, first + rows)).cast(key or pa.int64())
    return pa.table(
        {"id": ids, "name": [f"name {n % 9}" for n in range(rows)], "prediction": [n / 7 for n in range(rows)]}
    )


def _parts(manifest: Manifest) -> list[Path]:
    return [Path(manifest.folder.uri) / block.part for block in manifest.blocks]


def _without_digests(manifest: Manifest) -> Manifest:
    return replace(manifest, blocks=[replace(block, footer="") for block in manifest.blocks])


def _rows(*paths: Path) -> pd.DataFrame:
    return pd.concat([pq.ParquetFile(path).read().to_pandas() for path in paths], ignore_index=True)


def test_parts_are_copied_byte_for_byte_below_their_partitions_fields(tmp_path: Path) -> None:
    manifests = [
        staged(tmp_path, p, _table(10_000 * p), _table(10_000 * p + ROWS, 17), partition={"p": str(p), "kind": "x"})
        for p in (1, 2)
    ]
    publish(manifests, tmp_path / "out.parquet")
    copied = [group for manifest in manifests for path in _parts(manifest) for group in chunks(path)]
    assert [group[2:] for group in chunks(tmp_path / "out.parquet")] == copied
    rows = _rows(tmp_path / "out.parquet")
    assert list(rows) == ["p", "kind", "id", "name", "prediction"]
    assert rows.groupby(["p", "kind"])["id"].agg(["min", "max", "size"]).to_dict("index") == {
        (p, "x"): {"min": 10_000 * p, "max": 10_000 * p + ROWS + 16, "size": ROWS + 17} for p in (1, 2)
    }


def test_the_file_of_a_partition_has_the_bytes_of_its_parts(tmp_path: Path) -> None:
    manifest = staged(tmp_path, 1, _table(0), _table(ROWS))
    write_partition(tmp_path / "scores.parquet", PartitionStamp.of(manifest, Publication("dag/run")), manifest)
    assert chunks(tmp_path / "scores.parquet") == [group for path in _parts(manifest) for group in chunks(path)]
    assert pq.read_schema(tmp_path / "scores.parquet").equals(_table().schema)


def test_a_file_of_one_partition_has_its_columns_alone(tmp_path: Path) -> None:
    empty = pa.table({"id": pa.array([], pa.int64())})
    manifest = staged(tmp_path, 1, empty, pa.table({"id": [1, 2]}), pa.table({"id": [3]}))
    path = tmp_path / "scores.parquet"
    write_partition(path, PartitionStamp.of(manifest, Publication("dag/run")), manifest)
    assert pq.read_table(path).to_pydict() == {"id": [1, 2, 3]}
    statement = read_statement(Location(str(path)))
    assert statement is not None
    assert [stamp.run for stamp in statement.stamps] == ["dag/run"]


def test_what_scoring_writes_is_copied(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(300, 1000))
    ((manifest, _),) = data.score(1, block_rows=100)
    publish([manifest], tmp_path / "out")
    assert chunks(tmp_path / "out/p=1/scores.parquet") == [group for path in _parts(manifest) for group in chunks(path)]


def test_a_part_whose_footer_is_not_known_is_encoded_again(tmp_path: Path) -> None:
    manifest = staged(tmp_path, 1, _table(0), _table(ROWS))
    publish([_without_digests(manifest)], tmp_path / "out")
    output = tmp_path / "out/p=1/scores.parquet"
    assert _rows(output).equals(_rows(*_parts(manifest)))
    columns = [pq.read_metadata(output).row_group(1).column(place) for place in range(3)]
    assert [column.has_dictionary_page for column in columns] == [False, True, False]
    assert "DELTA_BINARY_PACKED" in columns[0].encodings


def test_many_small_row_groups_of_a_part_become_a_large_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = staged(tmp_path, 1, _table())
    (path,) = _parts(manifest)
    pq.write_table(_table(), path, row_group_size=100, write_page_checksum=True)
    (block,) = manifest.blocks
    manifest = replace(manifest, blocks=[replace(block, footer=footer_digest(path))])
    publish([manifest], tmp_path / "small")
    assert pq.read_metadata(tmp_path / "small/p=1/scores.parquet").num_row_groups == 1
    monkeypatch.setattr(parquet_writer, "_LEAST_ROWS", 100)
    publish([manifest], tmp_path / "large")
    assert chunks(tmp_path / "large/p=1/scores.parquet") == chunks(path)
    assert _rows(tmp_path / "small/p=1/scores.parquet").equals(_rows(tmp_path / "large/p=1/scores.parquet"))


def test_a_part_with_another_key_type_is_encoded_in_the_common_one(tmp_path: Path) -> None:
    manifests = [staged(tmp_path, 1, _table(0, key=pa.int32())), staged(tmp_path, 2, _table(ROWS))]
    publish(manifests, tmp_path / "out.parquet")
    first, second = chunks(tmp_path / "out.parquet")
    assert second[1:] == chunks(*_parts(manifests[1]))[0]
    assert first[1:] != chunks(*_parts(manifests[0]))[0]
    assert pq.read_schema(tmp_path / "out.parquet").field("id").type == pa.int64()
    assert _rows(tmp_path / "out.parquet")["id"].tolist() == list(range(2 * ROWS))


def test_texts_of_another_arrow_type_are_not_taken_for_the_same(tmp_path: Path) -> None:
    """Both are the same in Parquet, but not for readers that follow Arrow's schema."""
    table = _table().set_column(1, "name", _table()["name"].cast(pa.large_string()))
    keys = ["id", "name"]
    manifests = [staged(tmp_path, 1, _table(), keys=keys), staged(tmp_path, 2, table, keys=keys)]
    for one, other in (manifests, manifests[::-1]):
        output = tmp_path / f"{one.key}.parquet"
        publish([one, other], output)
        rows = pq.read_table(output, partitioning=None)
        assert rows["name"].to_pylist() == 2 * _table()["name"].to_pylist()
        assert pq.read_table(output).schema.field("name").type == pa.large_string()


@pytest.mark.parametrize("output", ["out.parquet", "out"])
def test_a_part_whose_statistics_were_altered_is_refused(tmp_path: Path, output: str) -> None:
    """Its pages and counts are as they were, but readers would skip rows."""
    manifest = staged(tmp_path, 1, _table())
    (path,) = _parts(manifest)
    whole, largest = path.read_bytes(), (ROWS - 1).to_bytes(8, "little")
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    assert largest in whole[start:]
    path.write_bytes(whole[:start] + whole[start:].replace(largest, (7).to_bytes(8, "little")))
    assert pq.read_table(path, partitioning=None).equals(_table())
    with pytest.raises(GateError, match=r"p=1: .*part-0\.parquet is damaged \(its footer is not the one .* with force"):
        publish([manifest], tmp_path / output)
    assert not (tmp_path / output).exists()


@pytest.mark.parametrize("digests", [True, False])
def test_a_part_with_a_flipped_bit_is_neither_copied_nor_encoded(tmp_path: Path, digests: bool) -> None:
    manifest = staged(tmp_path, 1, _table(0), _table(ROWS))
    flip_a_bit(_parts(manifest)[1])
    manifest = manifest if digests else _without_digests(manifest)
    with pytest.raises(GateError, match=r"p=1: .*part-1\.parquet is damaged .*; score it again with force"):
        publish([manifest], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_part_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    manifest = staged(tmp_path, 1, _table(0), _table(ROWS))
    path = _parts(manifest)[1]
    whole = path.read_bytes()
    for size in (0, 3, 7, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(GateError, match=r"p=1: .*part-1\.parquet is damaged"):
            publish([manifest], tmp_path / "out.parquet")


@pytest.mark.parametrize("output", ["out.parquet", "out"])
def test_a_part_without_its_pages_is_refused_by_name(tmp_path: Path, output: str) -> None:
    manifest = staged(tmp_path, 1, _table())
    (path,) = _parts(manifest)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + whole[-8 - int.from_bytes(whole[-8:-4], "little") :])
    with pytest.raises(GateError, match=r"p=1: .*part-0\.parquet is damaged \(a row group lies at .* with force"):
        publish([manifest], tmp_path / output)
    assert not (tmp_path / output).exists()


def test_columns_of_a_row_group_that_differ_in_their_rows_are_refused(tmp_path: Path) -> None:
    manifest = staged(tmp_path, 1, _table())
    table = ScoresTable({}, _table().schema)
    groups = [parquet_writer.encoded(_table(rows=rows)).groups[0] for rows in (3, 4)]
    with closing(parquet_writer.PartsWriter(tmp_path / "out.parquet", table)) as writer:
        stamp = PartitionStamp.of(manifest, Publication())
        with pytest.raises(OutputError, match=r"not published: partition p=1: the columns .*: 3, 4\. Score it again"):
            writer.add(stamp, [[tuple(groups)]])


def test_fields_are_encoded_with_as_many_rows_as_each_row_group(tmp_path: Path) -> None:
    manifest = staged(tmp_path, "07", _table(0, 5), _table(5, 3), _table().slice(0, 0), _table(8, 5))
    publish([manifest], tmp_path / "out.parquet")
    assert _rows(tmp_path / "out.parquet")["p"].tolist() == ["07"] * 13
    statement = read_statement(Location(f"{tmp_path}/out.parquet"))
    assert statement is not None
    assert [stamp.rows for stamp in statement.stamps] == [13]
