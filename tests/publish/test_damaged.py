"""Bytes that changed on storage are never published, and never read for scores that they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Small, good_rows, small

from airflow_batchscore.errors import GateError, InputError, OutputError
from airflow_batchscore.publish.combine import combine

pytestmark = pytest.mark.unit


def flip(path: Path, share: float = 0.3) -> None:
    """Turn one bit of a page, which only its checksum can tell."""
    whole = bytearray(path.read_bytes())
    end = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    whole[int(end * share)] ^= 4
    path.write_bytes(whole)


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    for partition in (1, 2):
        made.add(partition, good_rows(3000, 10_000 * partition))
    return made


@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out"])
def test_a_part_with_a_turned_bit_is_not_published(data: Small, tmp_path: Path, output: str) -> None:
    manifests = [manifest for manifest, _ in data.score(1, 2)]
    part = Path(manifests[1].folder) / manifests[1].blocks[0].part
    flip(part)
    with pytest.raises(GateError, match=rf"partition p=2: .*{part.name} is damaged .*; score it again with force"):
        combine(manifests, f"{tmp_path}/{output}")
    assert not (tmp_path / output).exists()


@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_part_with_a_damaged_footer_fails_at_once(data: Small, tmp_path: Path, output: str, place: int) -> None:
    ((manifest, _),) = data.score(1, block_rows=1000)
    part = Path(manifest.folder) / manifest.blocks[place].part
    whole = bytearray(part.read_bytes())
    whole[-60:-20] = b"\xff" * 40
    part.write_bytes(whole)
    with pytest.raises(GateError, match=rf"(?s)partition p=1: .*{part.name} is damaged .*; score it again with force"):
        combine([manifest], f"{tmp_path}/{output}")
    assert not (tmp_path / output).exists()


@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_part_that_is_gone_fails_at_once(data: Small, tmp_path: Path, output: str, place: int) -> None:
    ((manifest, _),) = data.score(1, block_rows=1000)
    part = Path(manifest.folder) / manifest.blocks[place].part
    part.unlink()
    with pytest.raises(GateError, match=rf"partition p=1: .*{part.name} is gone; score it again with force"):
        combine([manifest], f"{tmp_path}/{output}")
    assert not (tmp_path / output).exists()


def test_a_published_partition_with_a_turned_bit_is_not_kept(data: Small, tmp_path: Path) -> None:
    first, second = (manifest for manifest, _ in data.score(1, 2))
    combine([first, second], f"{tmp_path}/out.parquet")
    flip(tmp_path / "out.parquet", 0.1)
    before = (tmp_path / "out.parquet").read_bytes()
    data.add(2, good_rows(10, 70_000))
    ((changed, _),) = data.score(2)
    with pytest.raises(OutputError, match="damaged where partition p=1 lies, which this run did not score"):
        combine([changed], f"{tmp_path}/out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == before


def test_an_input_with_a_turned_bit_is_not_scored(data: Small, tmp_path: Path) -> None:
    """Where its writer gave its pages checksums, as Spark does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from airflow_batchscore import PartitionedDataset

    rows = pa.table(dict(zip(("id", "a", "b"), zip(*(row[:3] for row in good_rows(3000)), strict=True), strict=True)))
    pq.write_table(rows, tmp_path / "f_1.parquet", write_page_checksum=True)
    flip(tmp_path / "f_1.parquet")
    with pytest.raises(InputError, match=r"f_1\.parquet.* is damaged"):
        data.score(1, dataset=PartitionedDataset(f"{tmp_path}/f_{{p}}.parquet"))
