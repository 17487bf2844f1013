"""The trigger of the sensor, on a real event loop: when it wakes, and what its event says."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import good_rows, write_csv

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.triggers.partition import PartitionTrigger

pytestmark = pytest.mark.dag


def _dataset(folder: Path) -> PartitionedDataset:
    return PartitionedDataset(f"{folder}/part_{{p}}.csv")


def _trigger(folder: Path, seconds: float, **options: Any) -> PartitionTrigger:
    arguments = {"dataset": _dataset(folder).to_dict(), "partitions": [1], "stable_for": None, "poke_interval": 0.05}
    return PartitionTrigger(**{**arguments, "deadline": time.time() + seconds, **options})


async def _event(trigger: PartitionTrigger) -> dict[str, Any]:
    async for event in trigger.run():
        return dict(event.payload)
    raise AssertionError("the trigger gave no event")


def _no_store(monkeypatch: pytest.MonkeyPatch, endpoint: str = "http://127.0.0.1:9") -> PartitionedDataset:
    connection = {"conn_type": "aws", "login": "k", "password": "s", "extra": {"endpoint_url": endpoint}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    return PartitionedDataset("s3://tennis/part_{p}.csv")


def _listings(folder: Path) -> list[str]:
    """Grows with each listing of the folder."""
    seen: list[str] = []

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "os.scandir" and given[0] == str(folder):
            seen.append(event)

    sys.addaudithook(hook)
    return seen


def test_a_wildcard_wakes_when_a_file_fits(tmp_path: Path) -> None:
    async def late() -> dict[str, Any]:
        write_csv(tmp_path / "part_2025-12.csv", good_rows(3))
        waiting = asyncio.create_task(_event(_trigger(tmp_path, 30, partitions="2026-*")))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        write_csv(tmp_path / "part_2026-01.csv", good_rows(3))
        return await waiting

    event = asyncio.run(late())
    assert (event["status"], event["found"]["partitions"]) == ("ready", [{"p": "2026-01"}])


def test_the_trigger_wakes_when_the_file_comes(tmp_path: Path) -> None:
    async def late() -> dict[str, Any]:
        waiting = asyncio.create_task(_event(_trigger(tmp_path, 30)))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        write_csv(tmp_path / "part_1.csv", good_rows(2))
        return await waiting

    event = asyncio.run(late())
    assert event["status"] == "ready"
    assert event["found"]["partitions"] == [{"p": "1"}]


def test_what_is_kept_of_a_trigger_starts_the_same_one_elsewhere(tmp_path: Path) -> None:
    trigger = _trigger(tmp_path, 60, partitions="1..2", stable_for=5.0)
    path, arguments = trigger.serialize()
    assert path == f"{PartitionTrigger.__module__}.{PartitionTrigger.__qualname__}"
    again = PartitionTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)


def test_a_deadline_that_has_passed_still_allows_one_look(tmp_path: Path) -> None:
    assert asyncio.run(_event(_trigger(tmp_path, -60))) == {
        "status": "timeout",
        "message": "0 partitions ready; 1 not there: p=1",
    }
    write_csv(tmp_path / "there" / "part_1.csv", good_rows(2))
    assert asyncio.run(_event(_trigger(tmp_path / "there", -60)))["status"] == "ready"


def test_the_wait_ends_at_the_deadline_and_not_a_poke_later(tmp_path: Path) -> None:
    event = asyncio.run(asyncio.wait_for(_event(_trigger(tmp_path, 0.2, poke_interval=3600)), 30))
    assert event["status"] == "timeout"


def test_a_request_that_cannot_be_meant_ends_the_wait_at_once(tmp_path: Path) -> None:
    event = asyncio.run(_event(_trigger(tmp_path, 3600, partitions="2..1")))
    assert event == {"status": "fatal", "message": "InputError: the range 2..1 runs backwards; write 1..2"}


def test_a_long_request_is_read_beside_the_event_loop(tmp_path: Path) -> None:
    readers = []

    class Seen(list[str]):
        def __iter__(self) -> Iterator[str]:
            readers.append(threading.current_thread())
            return super().__iter__()

    write_csv(tmp_path / "part_1.csv", good_rows(2))
    assert asyncio.run(_event(_trigger(tmp_path, 30, partitions=Seen(["1"]))))["status"] == "ready"
    assert readers
    assert threading.main_thread() not in readers


def test_a_folder_that_cannot_be_read_is_looked_at_three_times(tmp_path: Path) -> None:
    folder = tmp_path / "loop"
    folder.symlink_to(folder)
    event = asyncio.run(_event(_trigger(folder, 60)))
    assert event["status"] == "failed"
    assert "cannot read" in event["message"]


def test_the_trigger_sees_that_a_file_grew_with_the_same_time(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "part_1.csv", good_rows(2))
    os.utime(path, (1, 1))
    listings = _listings(tmp_path)

    async def after_more_looks() -> None:
        before = len(listings)
        while len(listings) < before + 2:
            await asyncio.sleep(0.05)

    async def growing() -> None:
        waiting = asyncio.create_task(_event(_trigger(tmp_path, 60, partitions="1..2", stable_for=3600.0)))
        await after_more_looks()
        os.truncate(path, 10_000)
        os.utime(path, (1, 1))
        await after_more_looks()
        write_csv(tmp_path / "part_2.csv", good_rows(2))
        os.utime(tmp_path / "part_2.csv", (1, 1))
        await after_more_looks()
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(growing())


def test_triggers_of_one_data_set_share_its_listings(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    listings = _listings(tmp_path)

    async def many() -> list[dict[str, Any]]:
        return await asyncio.gather(*(_event(_trigger(tmp_path, 60, poke_interval=30)) for _ in range(200)))

    assert {event["status"] for event in asyncio.run(many())} == {"ready"}
    assert len(listings) == 1


def test_data_sets_whose_stores_are_dead_do_not_stall_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        dataset = _no_store(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")

        async def both() -> dict[str, Any]:
            dead = [
                asyncio.create_task(_event(_trigger(tmp_path, 60, dataset={**dataset.to_dict(), "uri": uri})))
                for uri in (f"s3://dead/{n}/part_{{p}}.csv" for n in range(8))
            ]
            await asyncio.sleep(0.5)
            event = await _event(_trigger(tmp_path, 60))
            assert not any(task.done() for task in dead)
            for task in dead:
                task.cancel()
            return event

        assert asyncio.run(both())["status"] == "ready"
