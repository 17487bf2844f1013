"""What a look at a data set announces; tests/service/test_partitioned_assets.py follows it through a scheduler."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors
from operator_calls import Store, dag, executed

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data import dataset as dataset_module
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators import AnnouncePartitionsOperator
from airflow_batchscore.operators.announce_partitions import MEMORY, Announced
from airflow_batchscore.operators.assets import asset_at

pytestmark = pytest.mark.dag


def _file(folder: Path, name: str, rows: str = "a\n1\n") -> None:
    (folder / name).write_text(rows)


class _Look:
    """A look that is executed, what it kept, and its events."""

    def __init__(self, folder: Path, template: str = "x_{year}.csv", **options: Any) -> None:
        with dag():
            self.task = AnnouncePartitionsOperator(
                task_id="announce", dataset=PartitionedDataset(f"{folder}/{template}"), **options
            )
        self.asset = asset_at(f"{folder}/{template}")
        self.store, self.events = Store(), OutletEventAccessors()

    def __call__(self) -> Any:
        return executed(self.task, outlet_events=self.events, asset_state_store={self.asset: self.store})

    @property
    def keys(self) -> set[str]:
        return self.events[self.asset].partition_keys


def test_the_first_look_announces_all_and_keeps_it_until_its_events_are_there(tmp_path: Path) -> None:
    for year in (2014, 2015):
        _file(tmp_path, f"x_{year}.csv")
    look = _Look(tmp_path)
    assert look() == {"schema": 1, "announced": ["2014", "2015"], "partitions": 2, "unsettled": []}
    assert look.keys == {"2014", "2015"}
    kept = Announced.from_dict(look.store[MEMORY])
    assert (set(kept.known), set(kept.last)) == (set(), {"2014", "2015"})
    assert look.events[look.asset].extra == {"announcement": kept.token, "partitions": 2}


def test_files_that_partitions_share_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        _file(tmp_path, f"{name}.csv", "a\n1\n2\n")
    look = _Look(tmp_path, "*.csv")
    look.task.dataset = PartitionedDataset(f"{tmp_path}/*.csv", partition_by="a % 10")
    stamped, real = [], dataset_module.stamp_of
    monkeypatch.setattr(dataset_module, "stamp_of", lambda place: (stamped.append(place.uri), real(place))[1])
    assert look()["partitions"] == 11
    assert sorted(stamped) == [f"{tmp_path}/a.csv", f"{tmp_path}/b.csv"]
    kept = Announced.from_dict(look.store[MEMORY])
    assert len(set(kept.last.values())) == 11, "each has a fingerprint of its own"


def test_what_is_known_is_announced_again_only_if_it_changed(tmp_path: Path) -> None:
    for year in (2014, 2015):
        _file(tmp_path, f"x_{year}.csv")
    look = _Look(tmp_path)
    look()
    known = Announced.from_dict(look.store[MEMORY]).last
    look.store[MEMORY] = Announced({**known, "1999": "gone"}).to_dict()
    look.events = OutletEventAccessors()
    assert look.task.outlets == [look.asset]
    assert look()["announced"] == []
    assert look.task.outlets == [], "no event is raised"
    assert Announced.from_dict(look.store[MEMORY]) == Announced(known)

    again = _Look(tmp_path)
    again.store[MEMORY] = Announced(known).to_dict()
    _file(tmp_path, "x_2015.csv", "a\n1\n2\n")
    assert again()["announced"] == ["2015"]
    assert again.keys == {"2015"}


def test_an_announcement_counts_once_its_events_are_there() -> None:
    kept = Announced({"1": "a"}, {"1": "b", "2": "c"}, "t")
    assert kept.settled(raised=True) == Announced({"1": "b", "2": "c"})
    assert kept.settled(raised=False) == Announced({"1": "a"})
    assert Announced.from_dict(kept.to_dict()) == kept
    assert Announced.from_dict(None) == Announced()


def test_a_part_of_the_data_set_is_looked_at_and_the_rest_is_not_forgotten(tmp_path: Path) -> None:
    _file(tmp_path, "x_2014.csv")
    _file(tmp_path, "x_2015.csv")
    look = _Look(tmp_path, partitions="2015..2017")
    look.store[MEMORY] = Announced({"2014": "kept"}).to_dict()
    assert look()["announced"] == ["2015"]
    assert Announced.from_dict(look.store[MEMORY]).known == {"2014": "kept"}


def test_a_file_that_may_still_grow_waits_for_the_next_look(tmp_path: Path) -> None:
    _file(tmp_path, "x_2014.csv")
    _file(tmp_path, "x_2015.csv")
    old = time.time() - 100
    os.utime(tmp_path / "x_2014.csv", (old, old))
    done = _Look(tmp_path, stable_for="60")()
    assert (done["announced"], done["unsettled"]) == (["2014"], ["year=2015"])


def test_an_empty_folder_announces_nothing_and_is_no_error(tmp_path: Path) -> None:
    look = _Look(tmp_path)
    assert look()["announced"] == []
    assert look.task.outlets == []


def test_several_fields_are_named_in_the_key(tmp_path: Path) -> None:
    _file(tmp_path, "DE_2020.csv")
    assert _Look(tmp_path, "{country}_{year}.csv")()["announced"] == ["country=DE/year=2020"]


def test_the_asset_is_the_one_that_the_dag_gives_for_the_same_location(tmp_path: Path) -> None:
    _file(tmp_path, "x_1.csv")
    mine = Asset("matches", uri=asset_at(f"{tmp_path}/x_{{year}}.csv").uri)
    look = _Look(tmp_path, outlets=[mine])
    look.asset = mine
    look()
    assert look.keys == {"1"}
    assert look.task.outlets == [mine]


def test_what_cannot_be_announced_is_refused(tmp_path: Path) -> None:
    with dag(), pytest.raises(InputError, match=r"only a run knows this location"):
        AnnouncePartitionsOperator(task_id="a", dataset=PartitionedDataset("{{ var.value.x }}/{y}.csv", format="csv"))
    _file(tmp_path, f"x_{'y' * 248}.csv")
    with pytest.raises(AirflowFailException, match="Airflow takes 250"):
        _Look(tmp_path, "x_{a}{b}.csv")()
    for strange in ({"schema": 0}, {"schema": 1, "known": 5, "last": {}, "token": ""}, {"schema": 1}, "text"):
        look = _Look(tmp_path)
        look.store[MEMORY] = strange
        with pytest.raises(AirflowFailException, match="Delete that value"):
            look()
