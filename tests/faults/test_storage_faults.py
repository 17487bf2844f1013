"""A store that fails in every way it can: what is published is right, or nothing is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import run_command
from proxy import Fault, Proxy
from s3_server import s3_client, s3_options
from support import NUMBERED, good_rows, small

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.model import artifact
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.faults

ROWS = 400


@pytest.fixture
def proxy(moto: str) -> Proxy:
    return Proxy(int(moto.rsplit(":", 1)[1]))


@pytest.fixture
def job(proxy: Proxy, moto: str, tmp_path: Path, request: pytest.FixtureRequest) -> ScoringJob:
    """A partition of many blocks, its input, model and parts all behind the proxy."""
    local = small(tmp_path)
    path = local.add(1, good_rows(ROWS, 10_000))
    client, prefix = s3_client(moto), request.node.name.replace("[", "-").replace("]", "")
    client.upload_file(str(path), "tennis", f"{prefix}/part_1.csv")
    for file in Path(local.model.uri).iterdir():
        client.upload_file(str(file), "tennis", f"{prefix}/model/{local.model.version}/{file.name}")
    timeouts = {"connect_timeout": 2, "request_timeout": 5}
    credentials.register("faults", {**s3_options(f"http://127.0.0.1:{proxy.port}"), **timeouts})
    uri = f"s3://tennis/{prefix}"
    ref = type(local.model)(f"{uri}/model/{local.model.version}", local.model.digest, "faults")
    artifact._loaded.clear()
    dataset = PartitionedDataset(f"{uri}/part_{{p}}.csv", conn_id="faults", read_options=NUMBERED)
    return ScoringJob(dataset, OneModel(ref), f"{uri}/staged", block_rows=40, conn_id="faults")


def _score(job: ScoringJob) -> Manifest:
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=2, processes=False))
    return manifest


def _committed(job: ScoringJob) -> list[str]:
    return [
        f.uri for f in storage.list_files(Location(job.output_uri, "faults"), recursive=True) if "manifest" in f.uri
    ]


def _ids(manifest: Manifest, tmp_path: Path) -> list[int]:
    import pyarrow.parquet as pq

    combine([manifest], Location(str(tmp_path / "out.parquet")))
    return pq.read_table(tmp_path / "out.parquet")["id"].to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("status", [500, 503])
def test_a_store_that_stumbles_is_asked_again(job: ScoringJob, proxy: Proxy, tmp_path: Path, status: int) -> None:
    with proxy.doing(Fault(status=status, after=4, times=2)):
        manifest = _score(job)
        assert proxy.hit == 2
    assert _ids(manifest, tmp_path) == list(range(10_000, 10_000 + ROWS))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500, after=8),
        Fault(status=503, after=8),
        Fault(refuse=True, after=8),
        Fault(truncate=100, methods=("GET",), after=3),
        Fault(status=503, methods=("PUT", "POST"), after=10),
        Fault(delay=60, after=12),
    ],
    ids=["500", "503", "stopped", "truncated", "writes-refused", "hangs"],
)
def test_a_store_that_stays_away_fails_the_task_and_a_retry_ends_right(
    job: ScoringJob, proxy: Proxy, tmp_path: Path, fault: Fault
) -> None:
    with proxy.doing(fault), pytest.raises((OSError, BatchScoreError)) as caught:
        _score(job)
    assert proxy.hit
    assert "s3://tennis" in str(caught.value) or "tennis/" in str(caught.value)
    # What may pass by itself is retried by Airflow: none of these may be an error that is final.
    assert not isinstance(caught.value, BatchScoreError)
    assert _committed(job) == []
    manifest = _score(job)
    assert _ids(manifest, tmp_path) == list(range(10_000, 10_000 + ROWS))


def test_a_slow_store_costs_time_only(job: ScoringJob, proxy: Proxy, tmp_path: Path) -> None:
    with proxy.doing(Fault(delay=0.1)):
        manifest = _score(job)
    assert _ids(manifest, tmp_path) == list(range(10_000, 10_000 + ROWS))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    run_command(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        # Lazy: files that failed to close are still held by the errors, for as long as these are.
        run_command(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_fails_the_task_and_room_lets_the_retry_end_right(tmp_path: Path, tiny_disk: Path) -> None:
    data = small(tmp_path / "data")
    data.add(1, [(n, n % 97 / 7, n % 89, 0) for n in range(60_000)])
    stuffing = tiny_disk / "stuffing"
    stuffing.write_bytes(b"x" * (shutil.disk_usage(tiny_disk).free - (30 << 10)))
    options: dict[str, Any] = {"output_uri": f"{tiny_disk}/staged", "block_rows": 5000}
    with pytest.raises(OSError, match=rf"cannot write {tiny_disk}/\S+: .*No space left.*Make room there"):
        data.score(1, **options)
    assert not list(tiny_disk.glob("staged/*/*/manifests/*.json"))
    assert not list(tiny_disk.glob("staged/*/*/.tmp-*"))
    stuffing.unlink()
    ((manifest, reused),) = data.score(1, **options)
    assert not reused
    assert manifest.account.rows_scored == 60_000
