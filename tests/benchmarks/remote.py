"""What the latency of an object store costs: the same partition from an S3 server at 0 and at 50 ms a request.

usage: python remote.py [WORK] [ROUNDS]      run it with the development environment (.venv): it needs moto's server

The server is moto in a process of its own; a proxy on loopback holds every request back. Figures are whole scorings
of one partition of 64 blocks, input, model and parts all on the server, in turns.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import threading
import time

BLOCKS = 64
DELAYS = (0.0, 0.05)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


class Proxy:
    """Forwards a loopback port, each request held back by `delay` seconds."""

    def __init__(self, target: int) -> None:
        self.target, self.port, self.delay, self.requests = target, free_port(), 0.0, 0
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True).start()
        started.wait(10)

    async def _serve(self, started: threading.Event) -> None:
        server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        started.set()
        await server.serve_forever()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.target)
        answered = True

        async def up() -> None:
            nonlocal answered
            while data := await reader.read(1 << 20):
                if answered:  # the first bytes after an answer begin a request
                    answered, self.requests = False, self.requests + 1
                    await asyncio.sleep(self.delay)
                their_writer.write(data)
                await their_writer.drain()
            their_writer.close()

        async def down() -> None:
            nonlocal answered
            while data := await their_reader.read(1 << 20):
                answered = True
                writer.write(data)
                await writer.drain()
            writer.close()

        await asyncio.gather(up(), down(), return_exceptions=True)


def upload(endpoint: str, work: str) -> str:
    """The workload's rows as 8 files of 8 row groups; returns the dataset's URI."""
    import io

    import boto3
    import common as c
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    _, path, _, _ = c.WORK[work]
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="bench")
    table = ds.dataset(c.files(path)).to_table()
    step = table.num_rows // BLOCKS
    for number in range(8):
        data = io.BytesIO()
        pq.write_table(table.slice(number * 8 * step, 8 * step), data, row_group_size=step, compression="snappy")
        client.put_object(Bucket="bench", Key=f"in/p=1/{number}.parquet", Body=data.getvalue())
    return "s3://bench/in/p={p}/"


def main() -> None:
    import common as c
    import engine

    from airflow_batchscore import LocalDask, PartitionedDataset
    from airflow_batchscore.data.storage import credentials
    from airflow_batchscore.model.outputs import OutputSpec
    from airflow_batchscore.plan.models import OneModel
    from airflow_batchscore.scoring.job import ScoringJob
    from airflow_batchscore.scoring.partition import score_partitions

    work = sys.argv[1] if len(sys.argv) > 1 else "w3h"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        proxy = Proxy(port)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        uri = upload(f"http://127.0.0.1:{port}", work)
        options = {"access_key": "a", "secret_key": "b", "region": "us-east-1"}
        credentials.register("bench", {**options, "endpoint_override": f"http://127.0.0.1:{proxy.port}"})
        _, _, features, model_path = c.WORK[work]
        ref = engine.artifact_of(model_path, c.feats(features), "parquet")
        import airflow_batchscore.model.artifact as artifact

        artifact.load(ref)
        found: dict[float, list[float]] = {delay: [] for delay in DELAYS}
        for number in range(rounds):
            for delay in DELAYS:
                job = ScoringJob(
                    PartitionedDataset(uri, conn_id="bench"),
                    OneModel(ref),
                    f"s3://bench/out/{number}-{delay}",
                    OutputSpec.of("predict_proba", ["prediction_1"]),
                    block_rows=20_000,
                    conn_id="bench",
                )
                proxy.delay, before = delay, proxy.requests
                began = time.monotonic()
                ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(processes=False))
                found[delay].append(time.monotonic() - began)
                print(
                    f"{delay * 1000:.0f} ms: {found[delay][-1]:.2f} s, {len(manifest.blocks)} blocks, "
                    f"{manifest.account.rows_scored} rows, {proxy.requests - before} requests",
                    flush=True,
                )
        cost = statistics.median(b / a for a, b in zip(found[DELAYS[0]], found[DELAYS[1]], strict=True)) - 1
        print(f"{work}: 50 ms a request cost {cost:+.0%}")
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    main()
