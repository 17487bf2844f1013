from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

Packer = Callable[[bytes], bytes]
PACKERS: dict[str, Packer] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: bytes(pa.compress(data, "zstd", asbytes=True)),
}
EACH = pytest.mark.parametrize(("suffix", "pack"), PACKERS.items(), ids=PACKERS)


def _ids(path: Path, **options: str) -> list[int]:
    dataset = PartitionedDataset(f"{path.parent}/p_{{p}}{''.join(path.suffixes)}", read_options=options)
    blocks = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)
    batches = [batch for block in blocks for batch in read(dataset, block, {"id": "int64"})]
    return [n for batch in batches for n in batch.table["id"].to_pylist()]


@EACH
def test_every_member_of_a_concatenated_file_is_read(tmp_path: Path, suffix: str, pack: Packer) -> None:
    """As parallel compressors and `cat` write them."""
    rows = [b"%d,x\n" % n for n in range(30_000)]
    members = [b"id,s\n", b"".join(rows[:10_000]), b"".join(rows[10_000:20_001]), b"".join(rows[20_001:])]
    path = tmp_path / f"p_1.csv{suffix}"
    path.write_bytes(b"".join(map(pack, members)))
    assert _ids(path) == list(range(30_000))


@EACH
def test_a_member_that_is_cut_off_is_an_error(tmp_path: Path, suffix: str, pack: Packer) -> None:
    path = tmp_path / f"p_1.csv{suffix}"
    text = b"".join(b"%d,x\n" % n for n in range(30_000))
    path.write_bytes(pack(b"id,s\n" + text) + pack(text)[:-20])
    with pytest.raises(InputError, match=rf"p_1.csv{suffix} cannot be (read to its end|unpacked)"):
        _ids(path)


@EACH
def test_bytes_that_are_not_compressed_are_an_error(tmp_path: Path, suffix: str, pack: Packer) -> None:
    path = tmp_path / f"p_1.csv{suffix}"
    path.write_bytes(b"id,s\n1,x\n")
    with pytest.raises(InputError, match=rf"p_1.csv{suffix} cannot be unpacked"):
        _ids(path)


@EACH
def test_another_encoding_is_read_below_the_compression(tmp_path: Path, suffix: str, pack: Packer) -> None:
    path = tmp_path / f"p_1.csv{suffix}"
    path.write_bytes(pack("id,s\n1,é\n2,x\n".encode("utf-16")))
    assert _ids(path, encoding="utf-16") == [1, 2]
