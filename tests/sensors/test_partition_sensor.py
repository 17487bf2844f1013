"""The sensor: what it finds at once, what it defers for, and how each way to wait ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from support import good_rows, write_csv

from airflow_batchscore import PartitionedDataset, preload
from airflow_batchscore.sensors import PartitionSensor
from airflow_batchscore.triggers.partition import PartitionTrigger

pytestmark = pytest.mark.dag


def _dataset(folder: Path) -> PartitionedDataset:
    return PartitionedDataset(f"{folder}/part_{{p}}.csv")


def _sensor(folder: Path, **options: Any) -> PartitionSensor:
    return PartitionSensor(task_id="wait", dataset=_dataset(folder), **options)


def test_data_that_is_there_is_not_waited_for(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    found = _sensor(tmp_path, partitions=[1]).execute({})
    size = (tmp_path / "part_1.csv").stat().st_size
    assert found == {"schema": 1, "partitions": [{"p": "1"}], "files": 1, "bytes": size, "each": [[1, size]]}


def test_data_that_is_not_there_defers_to_a_trigger_that_can_be_sent(tmp_path: Path) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        _sensor(tmp_path, partitions="1..2", timeout=60, poke_interval=3, stable_for="5").execute({})
    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_batchscore.triggers.partition.PartitionTrigger"
    assert arguments["dataset"] == _dataset(tmp_path).to_dict()
    assert (arguments["partitions"], arguments["poke_interval"], arguments["stable_for"]) == ("1..2", 3.0, 5.0)
    assert PartitionTrigger(**arguments).serialize() == (path, arguments)


def test_a_timeout_names_what_is_missing(tmp_path: Path) -> None:
    event = {"status": "timeout", "message": "0 partitions ready; 1 not there: p=1"}
    with pytest.raises(AirflowSensorTimeout, match=rf"not there: p=1 \(after 60 s, in {tmp_path}/part_{{p}}.csv\)"):
        _sensor(tmp_path, timeout=60).execute_complete({}, event)
    with pytest.raises(AirflowSkipException, match="not there: p=1"):
        _sensor(tmp_path, soft_fail=True).execute_complete({}, event)


def test_a_wait_that_storage_ended_is_tried_again_and_one_that_is_no_use_is_not(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the trigger could not look at .*part_{p}.csv: OSError: no answer"):
        _sensor(tmp_path).execute_complete({}, {"status": "failed", "message": "OSError: no answer"})
    with pytest.raises(AirflowFailException, match="InputError: no such field"):
        _sensor(tmp_path).execute_complete({}, {"status": "fatal", "message": "InputError: no such field"})
    found = {"partitions": [{"p": "1"}]}
    assert _sensor(tmp_path).execute_complete({}, {"status": "ready", "found": found}) == found


def test_a_sensor_that_pokes_gives_up_after_its_timeout(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    sensor = _sensor(tmp_path, partitions=[1, 9], deferrable=False, poke_interval=0.01, timeout=0.05)
    with pytest.raises(AirflowSensorTimeout):
        sensor.execute({})
    assert "1 not there: p=9" in capfd.readouterr().out


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partitions": "2..1"}, "InputError: the range 2..1 runs backwards"),
        ({"partitions": [1, 2, 1]}, "InputError: .*asked for more than once: p=1"),
        ({"stable_for": "a while"}, "InputError: stable_for='a while': give a number"),
    ],
)
def test_what_a_retry_cannot_fix_fails_at_once(
    tmp_path: Path, deferrable: bool, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(AirflowFailException, match=message):
        _sensor(tmp_path, deferrable=deferrable, **options).execute({})


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    """A folder that the disk cannot open just now."""
    folder = tmp_path / "loop"
    folder.symlink_to(folder)
    return folder


def test_a_poke_asks_storage_three_times_before_it_is_an_error(unreadable: Path) -> None:
    sensor = _sensor(unreadable, deferrable=False)
    assert [bool(sensor.poke({})) for _ in range(2)] == [False, False]
    with pytest.raises(OSError, match="cannot read"):
        sensor.poke({})
    assert not sensor.poke({}), "a retry starts over"
    with pytest.raises(TaskDeferred):
        _sensor(unreadable).execute({})


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


def test_poking_looks_from_the_worker(tmp_path: Path) -> None:
    sensor = _sensor(tmp_path, partitions=[1], deferrable=False)
    assert not sensor.poke({})
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    assert sensor.poke({}).xcom_value["files"] == 1


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_process_whose_packages_were_replaced_does_not_look(
    tmp_path: Path, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(2))
    monkeypatch.setitem(preload._files, "changing", (str(tmp_path / "part_1.csv"), (0, 0)))
    with pytest.raises(AirflowFailException, match="EngineError: changing: replaced on this machine after"):
        _sensor(tmp_path, partitions=[1], deferrable=deferrable).execute({})
