from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
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


def test_a_request_that_cannot_be_read_is_an_error_not_a_wait(tmp_path: Path) -> None:
    event = asyncio.run(_event(_trigger(tmp_path, 60, partitions="2..1")))
    assert event["status"] == "error"
    with pytest.raises(RuntimeError, match="runs backwards"):
        _sensor(tmp_path).execute_complete({}, event)


def test_storage_that_does_not_answer_is_asked_again_before_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "aws", "login": "k", "password": "s", "extra": {"endpoint_url": "http://127.0.0.1:9"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    dataset = PartitionedDataset("s3://tennis/part_{p}.csv").to_dict()
    event = asyncio.run(_event(_trigger(Path("/unused"), 60, dataset=dataset)))
    assert event["status"] == "error"
    assert "s3://tennis" in event["message"]


def test_poking_looks_from_the_worker(tmp_path: Path) -> None:
    sensor = _sensor(tmp_path, partitions=[1], deferrable=False)
    assert not sensor.poke({})
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    assert sensor.poke({}).xcom_value["files"] == 1
