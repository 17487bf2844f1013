"""Publications that tests make and stop, in this process and in others."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from commands import start_command
from support import ROOT, wait_for

from airflow_batchscore.data.formats.parquet_footer import footer_digest
from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.published import Published
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.publish.targets.parquet_writer import FOOTER_KEY
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.manifest import BlockResult, Manifest


def publish(
    manifests: Sequence[Manifest],
    output: Any,
    generation: int = 0,
    conn_id: str | None = None,
    table: Any = None,
    **options: Any,
) -> Published:
    """`combine` by the run ``dag/<generation>``, all of whose partitions were planned at once."""
    publication = Publication(
        run=f"dag/{generation}", generations={manifest.key: generation for manifest in manifests}, **options
    )
    return combine(manifests, Location(str(output), conn_id), publication, table)


def stamps(path: Path) -> dict[str, Any]:
    """What a published Parquet file says of itself, by partition."""
    said = json.loads(pq.read_metadata(path).metadata[FOOTER_KEY])
    return {"/".join(f"{k}={v}" for k, v in one["partition"].items()): one for one in said["partitions"]}


def ids(output: Path) -> dict[str, list[int]]:
    """Keys of the rows of each partition, as a reader sees them."""
    found = pd.read_csv(output) if output.suffix == ".csv" else pd.read_parquet(output)
    return {str(p): rows["id"].tolist() for p, rows in found.groupby("p", observed=True)}


def committed(
    partition: int | str, /, scored: int = 10, *, skipped: int = 0, quarantined: int = 0, **other: Any
) -> Manifest:
    """The manifest of a partition of one block; its part lies nowhere."""
    account = Account(scored + skipped + quarantined, scored, skipped, quarantined)
    block = BlockResult(0, "part.parquet", None, 100, account, {}, {}, scored, "inputs")
    manifest = Manifest(
        uri=f"/staged/p={partition}/id/manifests/000001.json",
        partition={"p": str(partition)},
        identity="id",
        dataset="/data/part_{p}.csv",
        files=[],
        model=None,
        method="my_code:score",
        keys=["id"],
        schema={"id": "int64", "prediction": "double"},
        blocks=[block],
        started="2026-01-01T00:00:00",
        seconds=2.0,
        rows_this_attempt=scored,
        engine={},
        version="1",
        layout="layout",
        account=account,
        digest=f"digest of {partition}",
    )
    return replace(manifest, **other)


def staged(folder: Path, partition: int | str, /, *parts: pa.Table, **other: Any) -> Manifest:
    """The manifest of a partition whose parts lie below `folder`, with checksums of their pages and digests."""
    place = folder / f"p={partition}" / "id"
    place.mkdir(parents=True)
    blocks = []
    for index, part in enumerate(parts):
        name, rows = f"part-{index}.parquet", part.num_rows
        pq.write_table(part, place / name, write_page_checksum=True)
        size, footer = (place / name).stat().st_size, footer_digest(place / name)
        account = Account(rows, rows, 0, 0)
        blocks.append(BlockResult(index, name, None, size, account, {}, {}, rows, "inputs", footer=footer))
    schema = {column.name: str(column.type) for column in pq.read_schema(place / blocks[0].part)}
    rows = sum(part.num_rows for part in parts)
    digest = hashlib.sha256(b"".join((place / block.part).read_bytes() for block in blocks)).hexdigest()
    own = {"uri": f"{place}/manifests/000001.json", "blocks": blocks, "schema": schema, "digest": digest}
    return committed(partition, rows, **{**own, **other})


def chunks(path: Path) -> list[list[bytes]]:
    """The encoded columns of each row group of a Parquet file."""
    whole, footer = path.read_bytes(), pq.read_metadata(path)
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    columns = [[group.column(place) for place in range(group.num_columns)] for group in groups]
    starts = [[one.dictionary_page_offset or one.data_page_offset for one in group] for group in columns]
    return [
        [whole[start : start + one.total_compressed_size] for start, one in zip(*both, strict=True)]
        for both in zip(starts, columns, strict=True)
    ]


def flip_a_bit(path: Path) -> None:
    """Flip one bit of a value in the first row group of a Parquet file, which only a page's checksum can tell."""
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    widest = max(columns, key=lambda column: column.total_compressed_size)
    start = widest.dictionary_page_offset or widest.data_page_offset
    whole = bytearray(path.read_bytes())
    whole[start + widest.total_compressed_size // 2] ^= 4
    path.write_bytes(whole)


#: Publishes, and at its last step says so and waits until it is told to go on.
_SLEEPER = """
import json, os, sys, time
from pathlib import Path
from airflow_batchscore.data.storage import Location, credentials, local_disk
from airflow_batchscore.data.storage.s3 import S3
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.scoring.manifest import Manifest
uris, output, generation, mark, options = json.loads(sys.argv[1])
if options:
    credentials.register("test", options)
manifests = [Manifest.read(Location(uri)) for uri in uris]

def stopping(module, name):
    step = getattr(module, name)
    def stop(*args, **kwargs):
        setattr(module, name, step)
        Path(mark).touch()
        while Path(mark).exists():
            time.sleep(0.01)
        return step(*args, **kwargs)
    setattr(module, name, stop)

stopping(*((S3, "put_if") if options else (local_disk, "locked")))
publication = Publication(f"dag/{generation}", {manifest.key: generation for manifest in manifests})
try:
    combine(manifests, Location(output, "test" if options else None), publication)
except BatchScoreError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


class Sleeper:
    """A publisher in a process of its own, which is stopped right before its last step."""

    def __init__(self, manifests: Sequence[Manifest], output: Any, generation: int, options: Any, mark: Path) -> None:
        argument = json.dumps([[manifest.uri for manifest in manifests], str(output), generation, str(mark), options])
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._mark = mark
        self._process = start_command(
            [sys.executable, "-c", _SLEEPER, argument], stderr=subprocess.PIPE, text=True, env=environment
        )

    def wait_until_stopped(self) -> None:
        wait_for(lambda: self._mark.exists() or self._process.poll() is not None, 60)
        assert self._process.poll() is None, self._process.communicate()[1]
        os.kill(self._process.pid, signal.SIGSTOP)

    def wake(self) -> tuple[int, str]:
        """Let it go on; its exit status and what it says."""
        self._mark.unlink()
        os.kill(self._process.pid, signal.SIGCONT)
        said = self._process.communicate(timeout=60)[1]
        return self._process.returncode, said

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def stopped_publisher(
    manifests: Sequence[Manifest], output: Any, generation: int, mark: Path, options: Any = None
) -> Iterator[Sleeper]:
    """A publisher that was stopped (SIGSTOP) when it had built what it publishes."""
    sleeper = Sleeper(manifests, output, generation, options, mark)
    try:
        sleeper.wait_until_stopped()
        yield sleeper
    finally:
        sleeper.kill()
