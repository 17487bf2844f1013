"""Publications that tests make and stop, in this process and in others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from commands import start_command
from support import ROOT, wait_for

from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.stamp import FOOTER_KEY, Publication
from airflow_batchscore.scoring.manifest import Manifest


def publish(
    manifests: Sequence[Manifest], output: Any, generation: int = 0, conn_id: str | None = None, **options: Any
) -> Any:
    """`combine` by the run ``dag/<generation>``, all of whose partitions were planned at once."""
    publication = Publication(
        run=f"dag/{generation}", generations={manifest.key: generation for manifest in manifests}, **options
    )
    return combine(manifests, str(output), conn_id, publication)


def stamps(path: Path) -> dict[str, Any]:
    """What a published Parquet file says of itself, by partition."""
    said = json.loads(pq.read_metadata(path).metadata[FOOTER_KEY])
    return {"/".join(f"{k}={v}" for k, v in one["partition"].items()): one for one in said["partitions"]}


def ids(output: Path) -> dict[str, list[int]]:
    """Keys of the rows of each partition, as a reader sees them."""
    found = pd.read_csv(output) if output.suffix == ".csv" else pd.read_parquet(output)
    return {str(p): rows["id"].tolist() for p, rows in found.groupby("p", observed=True)}


#: Publishes, and at its last step says so and waits until it is told to go on.
_SLEEPER = """
import json, os, sys, time
from pathlib import Path
from airflow_batchscore.data import local, s3, swap
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.scoring.manifest import Manifest
uris, output, generation, mark, options = json.loads(sys.argv[1])
if options:
    s3.register("test", options)
manifests = [Manifest.read(uri) for uri in uris]

def stopping(module, name):
    step = getattr(module, name)
    def stop(*args, **kwargs):
        setattr(module, name, step)
        Path(mark).touch()
        while Path(mark).exists():
            time.sleep(0.01)
        return step(*args, **kwargs)
    setattr(module, name, stop)

stopping(*((s3, "put_if") if options else (swap, "locked")))
publication = Publication(f"dag/{generation}", {manifest.key: generation for manifest in manifests})
try:
    combine(manifests, output, "test" if options else None, publication)
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
