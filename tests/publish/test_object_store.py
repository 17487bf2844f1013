"""Publications to an object store are put in order by its conditional writes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from publications import publish, stopped_publisher
from support import good_rows, s3_client, s3_options, small

from airflow_batchscore.data import s3, storage, swap
from airflow_batchscore.errors import GateError
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.service

OUTPUTS = ["out.parquet", "out.csv", "out"]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Manifest]]:
    """Partitions 1 and 2 with 20 rows each, and with 30."""
    data = small(tmp_path_factory.mktemp("data"))
    found = {}
    for rows in (20, 30):
        for partition in (1, 2):
            data.add(partition, good_rows(rows, 1000 * partition))
        found[rows] = [manifest for manifest, _ in data.score(1, 2)]
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from support import moto_server

    with moto_server() as endpoint:
        s3.register("test", s3_options(endpoint))
        yield endpoint
        s3.forget("test")


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
    assert publish(scored[20], output, 10, "test")["added"] == ["p=1", "p=2"]
    before = _tags(server, f"order/{name}")
    assert publish(scored[20], output, 20, "test")["unchanged"] == ["p=1", "p=2"]
    assert _tags(server, f"order/{name}") == before
    with pytest.raises(GateError, match="newer scores: p=1 by dag/20"):
        publish(scored[30], output, 15, "test")
    assert publish(scored[30][:1], output, 30, "test")["replaced"] == ["p=1"]
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


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_equal_scores_are_written_again_while_an_older_publisher_may_be_at_work(
    scored: dict[int, list[Manifest]], server: str, tmp_path: Path, name: str
) -> None:
    output = f"s3://tennis/fenced/{name}"
    publish(scored[20], output, 5, "test")
    with stopped_publisher(scored[30], output, 10, tmp_path / "mark", s3_options(server)) as sleeper:
        assert publish(scored[20], output, 20, "test")["unchanged"] == ["p=1", "p=2"]
        status, said = sleeper.wake()
    assert status == 1
    assert "newer scores: p=1 by dag/20" in said
    assert _rows(server, output) == {"1": 20, "2": 20}


def test_one_temporary_copy_is_held_at_a_time(
    scored: dict[int, list[Manifest]], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    held = []
    put = s3.put_if

    def counting(*args: Any, **options: Any) -> bool:
        held.append(len([path for path in tmp_path.rglob("*") if path.is_file()]))
        return put(*args, **options)

    monkeypatch.setattr(s3, "put_if", counting)
    publish(scored[20], "s3://tennis/one-by-one", 1, "test")
    assert max(held) == 1


def test_an_object_is_replaced_only_while_it_is_the_one_that_was_seen(server: str) -> None:
    uri = "s3://tennis/swap/x"
    assert swap.look(uri, "test") is None
    assert _swap(uri, None, b"one", note="n1")
    assert not _swap(uri, None, b"two")
    seen = swap.look(uri, "test")
    assert seen is not None
    assert seen.note == "n1"
    assert _swap(uri, seen, b"two")
    assert not _swap(uri, seen, b"three")
    assert storage.read_bytes(uri, "test") == b"two"
    storage.delete(uri, "test")
    assert not _swap(uri, seen, b"four")


def test_an_object_of_several_parts_is_replaced_on_the_same_condition(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_ONE_REQUEST", 5 << 20)
    uri, data = "s3://tennis/swap/large", b"x" * (12 << 20)
    assert _swap(uri, None, data)
    seen = swap.look(uri, "test")
    assert not _swap(uri, None, data)
    assert _swap(uri, seen, data + b"y")
    assert not _swap(uri, seen, data + b"z")
    assert storage.read_bytes(uri, "test") == data + b"y"
    assert "Uploads" not in s3_client(server).list_multipart_uploads(Bucket="tennis")


def _swap(uri: str, seen: swap.Seen | None, data: bytes, note: str | None = None) -> bool:
    with swap.replacing(uri, seen, "test") as new:
        new.path.write_bytes(data)
        new.note = note
    return new.done


def test_what_cannot_be_read_because_it_is_being_replaced_is_read_again(server: str) -> None:
    uri = "s3://tennis/swap/torn"
    storage.write_bytes(uri, b"one", "test")
    calls = []

    def read(seen: swap.Seen) -> bytes:
        calls.append(seen)
        if len(calls) == 1:
            storage.write_bytes(uri, b"two", "test")
            raise ValueError("the end of another file")
        return storage.read_bytes(uri, "test")

    seen, data = swap.read_seen(uri, read, "test")
    assert (data, seen) == (b"two", swap.look(uri, "test"))


def test_a_small_json_file_is_changed_by_many_and_no_change_is_lost(tmp_path: Path) -> None:
    def add(number: int) -> bool:
        return swap.change_json(f"{tmp_path}/counts.json", lambda value: {**value, str(number): number})

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(add, range(20)))
    assert json.loads((tmp_path / "counts.json").read_text()) == {str(n): n for n in range(20)}
