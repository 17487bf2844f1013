"""What publication costs beside copying the bytes, and beside a plain rewrite of the same parts by two threads.

usage: python publish.py [ROWS] [ROUNDS]        PYTHONPATH=<repository>; 20 M rows by default

The parts are one partition of two keys (one counts, one is random) and a prediction. The rows take turns; each is wall
and CPU seconds. What was published is compared with the parts by pyarrow, and by DuckDB and Polars where installed.
"""

from __future__ import annotations

import hashlib
import os
import queue
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import common as c
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_batchscore.data.formats.parquet_footer import encodings, footer_digest, open_writer
from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.manifest import BlockResult, Manifest

PARTS = 34
#: Rows that scoring writes at once: a row group.
BATCH = 250_000


def staged(rows: int) -> Manifest:
    """Parts as scoring writes them."""
    folder = Path(c.fresh(f"{c.OUT}/publish")) / "staged" / "p=1" / "id"
    folder.mkdir(parents=True)
    random, blocks, first = np.random.default_rng(0), [], 0
    schema = pa.schema([("id", pa.int64()), ("key", pa.int64()), ("prediction", pa.float64())])
    for index in range(PARTS):
        count = rows // PARTS + (index < rows % PARTS)
        path = folder / f"part-{index:05d}.parquet"
        with open_writer(path, schema, **encodings(schema)) as writer:
            for row in range(0, count, BATCH):
                size = min(BATCH, count - row)
                ids = np.arange(first + row, first + row + size)
                writer.write_table(pa.table([ids, random.integers(0, 2**62, size), random.random(size)], schema=schema))
        first += count
        account = Account(count, count, 0, 0)
        size, footer = path.stat().st_size, footer_digest(path)
        blocks.append(BlockResult(index, path.name, None, size, account, {}, {}, count, "inputs", footer=footer))
    return Manifest(
        uri=f"{folder}/manifests/000001.json",
        partition={"p": "1"},
        identity="id",
        dataset="/data/part_{p}.csv",
        files=[],
        model=None,
        method="my_code:score",
        keys=["id", "key"],
        schema={field.name: str(field.type) for field in schema},
        blocks=blocks,
        started="2026-01-01T00:00:00",
        seconds=1.0,
        rows_this_attempt=rows,
        engine={},
        version="1",
        layout="layout",
        account=Account(rows, rows, 0, 0),
        digest=hashlib.sha256(b"manifest").hexdigest(),
    )


def paths(manifest: Manifest) -> list[str]:
    return [f"{manifest.folder}/{block.part}" for block in manifest.blocks]


def copy_bytes(manifest: Manifest, output: str) -> None:
    """All bytes of the parts into one file, which nobody can read."""
    with open(output, "wb") as sink:
        for path in paths(manifest):
            with open(path, "rb") as source:
                shutil.copyfileobj(source, sink, 8 << 20)
        os.fsync(sink.fileno())


def rewrite(manifest: Manifest, output: str) -> None:
    """One thread decodes the next part while the other encodes this one, without dictionaries."""
    ahead: queue.Queue[pa.Table | None] = queue.Queue(1)

    def read() -> None:
        for path in paths(manifest):
            ahead.put(pq.read_table(path, use_threads=False, partitioning=None))
        ahead.put(None)

    reader = threading.Thread(target=read)
    reader.start()
    with pq.ParquetWriter(output, pq.read_schema(paths(manifest)[0]), use_dictionary=False) as writer:
        while (table := ahead.get()) is not None:
            writer.write_table(table)
    reader.join()
    with open(output, "rb") as written:
        os.fsync(written.fileno())


def ours(manifest: Manifest, output: str) -> None:
    combine([manifest], Location(output))


def encoded_again(manifest: Manifest, output: str) -> None:
    """Ours where no part may be copied, as after a resumed scoring."""
    combine([replace(manifest, blocks=[replace(block, footer="") for block in manifest.blocks])], Location(output))


ROWS: dict[str, tuple[Callable[[Manifest, str], None], str]] = {
    "bytes copied": (copy_bytes, "copied.bin"),
    "plain rewrite, two threads": (rewrite, "rewritten.parquet"),
    "published, one file": (ours, "out.parquet"),
    "published, a folder": (ours, "out"),
    "published, encoded again": (encoded_again, "again.parquet"),
    "published, CSV": (ours, "out.csv"),
}


def measure(do: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    do()
    return time.perf_counter() - wall, time.process_time() - cpu


def check(manifest: Manifest, output: str) -> None:
    """The published rows are those of the parts, for several readers."""
    want = pq.read_table(paths(manifest), partitioning=None).replace_schema_metadata(None)
    got = pq.read_table(output, partitioning=None, page_checksum_verification=True).replace_schema_metadata(None)
    assert got.select(want.schema.names).equals(want), output
    file = f"{output}/p=1/scores.parquet" if os.path.isdir(output) else output
    total = float(pc.sum(want["prediction"]).as_py()), int(pc.sum(want["id"]).as_py())
    if find_spec("duckdb"):
        import duckdb

        seen = duckdb.sql(f"select sum(prediction), sum(id), count(*) from '{file}' where id >= 0").fetchall()[0]
        assert abs(seen[0] - total[0]) < 1 and seen[1:] == (total[1], want.num_rows), seen
    if find_spec("polars"):
        import polars

        seen = polars.scan_parquet(file).filter(polars.col("id") >= 0).sum().collect().row(0, named=True)
        assert abs(seen["prediction"] - total[0]) < 1 and seen["id"] == total[1], seen


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    manifest = staged(rows)
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in ROWS}
    for number in range(rounds):
        for name, (do, file) in ROWS.items():
            if name.endswith("CSV") and number:
                continue  # slow, and next to nothing else is like it
            output = f"{c.OUT}/publish/{file}"
            shutil.rmtree(output, ignore_errors=True)
            Path(output).unlink(missing_ok=True)
            shutil.rmtree(f"{c.OUT}/publish/_published", ignore_errors=True)
            seen[name].append(measure(lambda: do(manifest, output)))
            if number == 0 and name.startswith("published") and not name.endswith("CSV"):
                check(manifest, output)
            print(f"{name}: {seen[name][-1][0]:.2f} s, CPU {seen[name][-1][1]:.2f} s", flush=True)
    size = sum(block.bytes for block in manifest.blocks)
    print(f"\n{rows} rows, {PARTS} parts, {size / 1e6:.0f} MB; medians of {rounds}, ratios paired")
    for name, figures in seen.items():
        wall, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
        pairs = zip(figures, seen["plain rewrite, two threads"], strict=False)
        ratio = statistics.median(mine[0] / theirs[0] for mine, theirs in pairs)
        print(f"{name:28} {wall:6.2f} s, CPU {cpu:6.2f} s, {ratio:5.2f} x the rewrite")
    shutil.rmtree(f"{c.OUT}/publish")


if __name__ == "__main__":
    main()
