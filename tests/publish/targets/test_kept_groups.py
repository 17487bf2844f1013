"""Partitions that a run did not score are copied from the published file, as bytes where it is known to be intact."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publications import chunks, flip_a_bit, ids, publish, staged

from airflow_batchscore.data.formats.parquet_groups import encode, span
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.targets.kept_groups import KeptGroups
from airflow_batchscore.publish.targets.parquet_writer import FOOTER_KEY
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


def _scored(folder: Path, *partitions: int, rows: int = 3000) -> list[Manifest]:
    """Partitions with the ids 1000, 1001, ... (2000, ...)."""
    return [
        staged(folder / str(rows), p, pa.table({"id": range(1000 * p, 1000 * p + rows), "prediction": [0.5] * rows}))
        for p in partitions
    ]


def test_row_groups_of_kept_partitions_are_copied_byte_for_byte(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    publish(_scored(tmp_path, 1, 2, 3), output)
    before = chunks(output)
    assert publish(_scored(tmp_path, 2, rows=10), output).changes.kept == ["p=1", "p=3"]
    assert chunks(output)[::2] == before[::2]
    assert chunks(output)[1] != before[1]
    assert {p: (rows[0], len(rows)) for p, rows in ids(output).items()} == {
        "1": (1000, 3000),
        "2": (2000, 10),
        "3": (3000, 3000),
    }


def _tampered(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes of the footer, and nothing else."""
    whole = path.read_bytes()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    assert whole[start:].count(old)
    path.write_bytes(whole[:start] + whole[start:].replace(old, new))


def test_row_groups_whose_statistics_were_altered_are_encoded_again(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    publish(_scored(tmp_path, 1, 2), output)
    _tampered(output, (3999).to_bytes(8, "little"), (1001).to_bytes(8, "little"))
    assert pq.read_metadata(output).row_group(0).column(1).statistics.max == 1001
    publish(_scored(tmp_path, 2, rows=10), output)
    assert pq.read_metadata(output).row_group(0).column(1).statistics.max == 3999
    assert {p: len(rows) for p, rows in ids(output).items()} == {"1": 3000, "2": 10}


def test_a_file_that_does_not_vouch_for_its_row_groups_is_encoded_again(tmp_path: Path) -> None:
    """As one that an earlier version of this package published."""
    output = tmp_path / "out.parquet"
    publish(_scored(tmp_path, 1, 2), output)
    said = pq.read_metadata(output).metadata[FOOTER_KEY].replace(b'"groups"', b'"others"')
    table = pq.read_table(output)
    with pq.ParquetWriter(output, table.schema.remove_metadata(), compression="zstd") as writer:
        for rows in (table.slice(0, 3000), table.slice(3000)):
            writer.write_table(rows)
        writer.add_key_value_metadata({FOOTER_KEY: said})
    publish(_scored(tmp_path, 2, rows=10), output)
    assert {p: len(rows) for p, rows in ids(output).items()} == {"1": 3000, "2": 10}
    assert pq.read_metadata(output).row_group(0).column(1).compression == "SNAPPY"


def test_a_kept_partition_with_a_flipped_bit_is_not_copied(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    publish(_scored(tmp_path, 1, 2, rows=3000), output)
    flip_a_bit(output)
    before = output.read_bytes()
    with pytest.raises(OutputError, match="damaged where partition p=1 lies, which this run did not score"):
        publish(_scored(tmp_path, 2, rows=10), output)
    assert output.read_bytes() == before
    assert publish(_scored(tmp_path, 1, rows=10), output).changes.kept == ["p=2"]


def test_a_file_that_is_cut_off_after_it_was_looked_at_is_not_copied(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    publish(_scored(tmp_path, 1), output)
    schema = pq.read_schema(output).remove_metadata()
    kept = KeptGroups.of(Location(str(output)), schema, encode([], schema).footer)
    assert kept.entries
    start, end = span(kept.entries[0])
    output.write_bytes(output.read_bytes()[: end - 1])
    why = f"{output} is damaged where partition p=1 lies.*bytes {start} to {end}, .*Score that partition too"
    with pytest.raises(OutputError, match=why):
        list(kept.read([0], "p=1"))
