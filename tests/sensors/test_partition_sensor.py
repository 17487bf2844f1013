from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from support import good_rows, write_csv

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.sensors import PartitionSensor
from airflow_batchscore.triggers.partition import PartitionTrigger

pytestmark = pytest.mark.dag


def _dataset(folder: Path) -> PartitionedDataset:
    return PartitionedDataset(f"{folder}/part_{{p}}.csv")


def _sensor(folder: Path, **options: Any) -> PartitionSensor:
    return PartitionSensor(task_id="wait", dataset=_dataset(folder), **options)


def _trigger(folder: Path, seconds: float, **options: Any) -> PartitionTrigger:
    arguments = {"dataset": _dataset(folder).to_dict(), "partitions": [1], "stable_for": None, "poke_interval": 0.05}
    return PartitionTrigger(**{**arguments, "deadline": time.time() + seconds, **options})


async def _event(trigger: PartitionTrigger) -> dict[str, Any]:
    async for event in trigger.run():
        return dict(event.payload)
    raise AssertionError("the trigger gave no event")


def test_data_that_is_there_is_not_waited_for(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    found = _sensor(tmp_path, partitions=[1]).execute({})
    size = (tmp_path / "part_1.csv").stat().st_size
    assert found == {"partitions": [{"p": "1"}], "files": 1, "bytes": size, "each": [[1, size]]}


def test_data_that_is_not_there_defers_to_a_trigger_that_can_be_sent(tmp_path: Path) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        _sensor(tmp_path, partitions="1..2", timeout=60, poke_interval=3, stable_for="5").execute({})
    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_batchscore.triggers.partition.PartitionTrigger"
    assert arguments["dataset"] == _dataset(tmp_path).to_dict()
    assert (arguments["partitions"], arguments["poke_interval"], arguments["stable_for"]) == ("1..2", 3.0, 5.0)
    assert PartitionTrigger(**arguments).serialize() == (path, arguments)


def test_the_trigger_wakes_when_the_file_comes(tmp_path: Path) -> None:
    async def late() -> dict[str, Any]:
        waiting = asyncio.create_task(_event(_trigger(tmp_path, 30)))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        write_csv(tmp_path / "part_1.csv", good_rows(2))
        return await waiting

    event = asyncio.run(late())
    assert event["status"] == "ready"
    assert _sensor(tmp_path).execute_complete({}, event)["partitions"] == [{"p": "1"}]


def test_a_timeout_names_what_is_missing(tmp_path: Path) -> None:
    event = asyncio.run(_event(_trigger(tmp_path, 0)))
    assert event == {"status": "timeout", "message": "0 partition(s) ready; 1 not there: p=1"}
    with pytest.raises(AirflowSensorTimeout, match="not there: p=1"):
        _sensor(tmp_path).execute_complete({}, event)
    with pytest.raises(AirflowSkipException, match="not there: p=1"):
        _sensor(tmp_path, soft_fail=True).execute_complete({}, event)


def _no_store(monkeypatch: pytest.MonkeyPatch, endpoint: str = "http://127.0.0.1:9") -> PartitionedDataset:
    connection = {"conn_type": "aws", "login": "k", "password": "s", "extra": {"endpoint_url": endpoint}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    return PartitionedDataset("s3://tennis/part_{p}.csv")


@pytest.mark.parametrize("way", ["poke", "defer", "trigger"])
def test_what_a_retry_cannot_fix_fails_at_once_however_it_is_waited_for(tmp_path: Path, way: str) -> None:
    sensor = _sensor(tmp_path, partitions="2..1", deferrable=way == "defer")
    with pytest.raises(AirflowFailException, match="InputError: the range 2..1 runs backwards"):
        if way == "trigger":
            sensor.execute_complete({}, asyncio.run(_event(_trigger(tmp_path, 60, partitions="2..1"))))
        else:
            sensor.execute({})


def test_storage_that_does_not_answer_is_asked_again_before_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = _no_store(monkeypatch)
    event = asyncio.run(_event(_trigger(Path("/unused"), 60, dataset=dataset.to_dict())))
    assert event["status"] == "failed"
    assert "s3://tennis" in event["message"]
    with pytest.raises(RuntimeError, match="s3://tennis"):
        _sensor(Path("/unused")).execute_complete({}, event)


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    """A folder that the disk cannot open just now."""
    folder = tmp_path / "loop"
    folder.symlink_to(folder)
    return folder


def test_a_poke_asks_storage_as_often_as_a_trigger_does(unreadable: Path) -> None:
    sensor = _sensor(unreadable, deferrable=False)
    assert [bool(sensor.poke({})) for _ in range(2)] == [False, False]
    with pytest.raises(OSError, match="cannot read"):
        sensor.poke({})
    assert not sensor.poke({}), "a retry starts over"
    with pytest.raises(TaskDeferred):
        _sensor(unreadable).execute({})
    event = asyncio.run(_event(_trigger(unreadable, 60)))
    assert event["status"] == "failed"


class _Store(dict[str, Any]):
    """As Airflow's, in a process."""

    set = dict.__setitem__


def test_rescheduled_looks_remember_what_the_one_before_saw(unreadable: Path, tmp_path: Path) -> None:
    context: Any = {"task_state_store": _Store()}

    def fresh(folder: Path, **options: Any) -> PartitionSensor:
        return _sensor(folder, mode="reschedule", deferrable=False, **options)

    assert [bool(fresh(unreadable).poke(context)) for _ in range(2)] == [False, False]
    with pytest.raises(OSError, match="cannot read"):
        fresh(unreadable).poke(context)
    path = write_csv(tmp_path / "part_1.csv", good_rows(2))
    os.utime(path, (1, 1))
    assert not fresh(tmp_path, partitions="1..2", stable_for=60).poke(context)
    os.truncate(path, 3)
    os.utime(path, (1, 1))
    assert not fresh(tmp_path, partitions="1", stable_for=60).poke(context)


def _listings(folder: Path) -> list[str]:
    """Grows with each listing of the folder."""
    seen: list[str] = []

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "os.scandir" and given[0] == str(folder):
            seen.append(event)

    sys.addaudithook(hook)
    return seen


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


def test_poking_looks_from_the_worker(tmp_path: Path) -> None:
    sensor = _sensor(tmp_path, partitions=[1], deferrable=False)
    assert not sensor.poke({})
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    assert sensor.poke({}).xcom_value["files"] == 1
