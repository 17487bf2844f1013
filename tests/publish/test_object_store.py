"""Publications to an object store are put in order by its conditional writes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from publications import publish, scored_twice, stopped_publisher
from s3_server import emptied_moto, s3_client, s3_options
from support import good_rows, small

from airflow_batchscore.data.storage import credentials
from airflow_batchscore.data.storage.s3 import S3
from airflow_batchscore.errors import GateError
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.service

OUTPUTS = ["out.parquet", "out.csv", "out"]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Manifest]]:
    return scored_twice(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    endpoint = emptied_moto()
    credentials.register("test", s3_options(endpoint))
    yield endpoint
    credentials.forget("test")


def _rows(endpoint: str, output: str) -> dict[str, int]:
    client = s3_client(endpoint)
    prefix = output.removeprefix("s3://tennis/")
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="tennis", Prefix=prefix)["Contents"]]
    found = {}
    for key in (key for key in keys if "/_" not in key):
        data = io.BytesIO(client.get_object(Bucket="tennis", Key=key)["Body"].read())
        frame = pd.read_csv(data) if key.endswith("csv") else pd.read_parquet(data)
        if "p" in frame:
            found |= {str(p): len(rows) for p, rows in frame.groupby("p")}
        else:
            found[key.split("p=")[1].split("/")[0]] = len(frame)
    return found


def _tags(endpoint: str, prefix: str) -> dict[str, str]:
    items = s3_client(endpoint).list_objects_v2(Bucket="tennis", Prefix=prefix)["Contents"]
    return {item["Key"]: item["ETag"] for item in items if "/_" not in item["Key"]}


@pytest.mark.parametrize("name", OUTPUTS)
def test_publications_are_kept_in_order_and_what_is_unchanged_is_left(
    scored: dict[int, list[Manifest]], server: str, name: str
) -> None:
    output = f"s3://tennis/order/{name}"
    assert publish(scored[20], output, 10, "test").changes.added == ["p=1", "p=2"]
    before = _tags(server, f"order/{name}")
    assert publish(scored[20], output, 20, "test").changes.unchanged == ["p=1", "p=2"]
    assert _tags(server, f"order/{name}") == before
    with pytest.raises(GateError, match="newer scores: p=1 by dag/20"):
        publish(scored[30], output, 15, "test")
    assert publish(scored[30][:1], output, 30, "test").changes.replaced == ["p=1"]
    assert _rows(server, output) == {"1": 30, "2": 20}
    publish(scored[20], output, 15, "test", republish=True)
    assert _rows(server, output) == {"1": 20, "2": 20}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_publisher_that_was_stopped_and_overtaken_publishes_nothing(
    scored: dict[int, list[Manifest]], server: str, tmp_path: Path, name: str
) -> None:
    output = f"s3://tennis/stopped/{name}"
    publish(scored[20], output, 5, "test")
    with stopped_publisher(scored[30], output, 10, tmp_path / "mark", s3_options(server)) as sleeper:
        publish(scored[30][:1], output, 20, "test")
        status, said = sleeper.wake()
    assert status == 1
    assert "newer scores: p=1 by dag/20" in said
    assert _rows(server, output) == {"1": 30, "2": 20}


@pytest.mark.parametrize(
    ("name", "newer", "by"), [("out.parquet", 20, "dag/20"), ("out", 10, "a later attempt of dag/10")]
)
def test_equal_scores_are_written_again_while_an_older_publisher_may_be_at_work(
    scored: dict[int, list[Manifest]], server: str, tmp_path: Path, name: str, newer: int, by: str
) -> None:
    output = f"s3://tennis/fenced-{newer}/{name}"
    publish(scored[20], output, 5, "test")
    with stopped_publisher(scored[30], output, 10, tmp_path / "mark", s3_options(server)) as sleeper:
        assert publish(scored[20], output, newer, "test").changes.unchanged == ["p=1", "p=2"]
        status, said = sleeper.wake()
    assert status == 1
    assert f"newer scores: p=1 by {by}" in said
    assert _rows(server, output) == {"1": 20, "2": 20}


def test_one_temporary_copy_is_held_at_a_time(
    scored: dict[int, list[Manifest]], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    held = []
    put = S3.put_if

    def counting(*args: Any, **options: Any) -> bool:
        held.append(len([path for path in tmp_path.rglob("*") if path.is_file()]))
        return put(*args, **options)

    monkeypatch.setattr(S3, "put_if", counting)
    publish(scored[20], "s3://tennis/one-by-one", 1, "test")
    assert max(held) == 1


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_run_that_must_not_take_rows_away_does_not_count_as_newer(tmp_path: Path, server: str, name: str) -> None:
    output, data = f"s3://tennis/emptied/{name}", small(tmp_path)
    for partition in (1, 2):
        data.add(partition, good_rows(20, 1000 * partition))
    full = [manifest for manifest, _ in data.score(1, 2)]
    publish(full, output, 10, "test")
    data.add(1, [])
    emptied = [manifest for manifest, _ in data.score(1, 2, allow_empty=True)]
    with pytest.raises(GateError, match="no row was scored of p=1"):
        publish(emptied, output, 30, "test")
    assert publish(full, output, 20, "test").changes.unchanged == ["p=1", "p=2"]


def test_a_csv_file_that_was_published_without_a_note_is_known_by_its_bytes(
    server: str, scored: dict[int, list[Manifest]]
) -> None:
    """As it was by a task without the store's client, or by a version that kept no notes on this store."""
    client, folder = s3_client(server), "without-note"
    publish(scored[20][:1], f"s3://tennis/{folder}/out.csv", 1, "test")
    data = client.get_object(Bucket="tennis", Key=f"{folder}/out.csv")["Body"].read()
    (statement,) = client.list_objects_v2(Bucket="tennis", Prefix=f"{folder}/_published/out.csv/")["Contents"]
    said = client.get_object(Bucket="tennis", Key=statement["Key"])["Body"].read()
    client.put_object(Bucket="tennis", Key=f"{folder}/out.csv", Body=data)
    name = hashlib.sha256(data).hexdigest()
    client.put_object(Bucket="tennis", Key=f"{folder}/_published/out.csv/{name}.json", Body=said)

    publish(scored[20][1:], f"s3://tennis/{folder}/out.csv", 2, "test")
    assert _rows(server, f"s3://tennis/{folder}/out.csv") == {"1": 20, "2": 20}
