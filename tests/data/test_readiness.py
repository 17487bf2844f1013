from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from source_tables import KINDS, games, source_table
from support import good_rows, write_csv

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.readiness import Shape, WaitMemory, after, assess
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

NOW = 1_700_000_000.0


@pytest.fixture
def dataset(tmp_path: Path) -> PartitionedDataset:
    for year, age in ((2000, 100), (2001, 10)):
        path = write_csv(tmp_path / f"m_{year}.csv", good_rows(2))
        os.utime(path, (NOW - age, NOW - age))
    return PartitionedDataset(f"{tmp_path}/m_{{year}}.csv")


def test_is_ready_when_all_are_there(dataset: PartitionedDataset) -> None:
    seen = assess(dataset, "2000..2001", stable_for=None, now=NOW)
    assert seen.ready
    assert seen.to_dict()["partitions"] == [{"year": "2000"}, {"year": "2001"}]


def test_names_what_is_missing_and_what_still_changes(dataset: PartitionedDataset) -> None:
    seen = assess(dataset, "2000..2002", stable_for=60, now=NOW)
    assert not seen.ready
    assert seen.describe() == "1 partition ready; 1 not there: year=2002; 1 still changing: year=2001"


def test_without_a_request_any_partition_will_do_but_not_none(dataset: PartitionedDataset, tmp_path: Path) -> None:
    assert assess(dataset, None, stable_for=None, now=NOW).ready
    assert not assess(PartitionedDataset(f"{tmp_path}/other_{{y}}.csv"), None, stable_for=None, now=NOW).ready


@pytest.mark.parametrize("size", [3, 500])
def test_a_file_that_shrank_or_grew_with_the_same_time_is_unsettled_for_as_long_as_was_asked(
    dataset: PartitionedDataset, tmp_path: Path, size: int
) -> None:
    def seen_at(now: float, before: Any = None) -> Any:
        return assess(dataset, "2000", stable_for=60, now=now, before=before)

    first = seen_at(NOW)
    assert first.ready
    os.truncate(tmp_path / "m_2000.csv", size)
    os.utime(tmp_path / "m_2000.csv", (NOW - 100, NOW - 100))
    kept = json.loads(json.dumps(WaitMemory(0, first.shapes).to_dict()))
    second = seen_at(NOW + 30, WaitMemory.from_dict(kept).shapes)
    assert second.unsettled == ["year=2000"]
    assert not seen_at(NOW + 60, second.shapes).ready
    assert seen_at(NOW + 90, second.shapes).ready
    assert seen_at(NOW + 30).ready, "a look alone has only the modification times"


def test_which_errors_are_tried_again_and_how_often() -> None:
    assert [after(OSError("down"), n) for n in (1, 2, 3)] == ["again", "again", "failed"]
    assert after(InputError("no such bucket"), 1) == "fatal"
    assert after(RuntimeError("a defect"), 1) == "failed"


def test_what_another_version_remembered_is_forgotten() -> None:
    kept = WaitMemory(2, {"year=2000": Shape("x", 7.5)}).to_dict()
    assert WaitMemory.from_dict(kept) == WaitMemory(2, {"year=2000": Shape("x", 7.5)})
    for other in (None, {**kept, "schema": 0}, {"failed": 2, "shapes": {}}):
        assert WaitMemory.from_dict(other) == WaitMemory()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", [["day", "id % 10"], ["day", "_row % 2"]])
def test_a_day_is_waited_for_that_the_files_of_a_table_do_not_have(kind: str, by: list[str], tmp_path: Path) -> None:
    with source_table(kind, tmp_path, "day") as table:
        table.append(games(1))
        dataset = table.dataset(by)
        wanted = [{"day": value, dataset.fields[1]: "0"} for value in ("2026-04-01", "2026-04-02")]
        seen = assess(dataset, wanted, stable_for=None, now=NOW)
        assert (len(seen.found), len(seen.missing), seen.late) == (1, 1, [])
        table.append(games(2))
        assert assess(dataset, wanted, stable_for=None, now=NOW).ready
        with pytest.raises(InputError, match="Name the partitions; or divide it by a column by which the table is"):
            assess(dataset, None, stable_for=None, now=NOW)


def test_files_from_before_a_table_was_partitioned_do_not_make_a_partition_ready(tmp_path: Path) -> None:
    with source_table("iceberg", tmp_path) as table:
        table.append(games(1))
        seen = assess(table.dataset(), ["2026-04-01", "2026-04-30"], stable_for=None, now=NOW)
        assert seen.ready, "nothing but rows tells of a table that is not partitioned by day"
        with table.opened().update_spec() as spec:
            spec.add_identity("day")
        table.append(games(2))
        assert assess(table.dataset(), ["2026-04-02"], stable_for=60, now=NOW).ready
        seen = assess(table.dataset(), ["2026-04-02", "2026-04-30"], stable_for=None, now=NOW)
        assert (len(seen.found), list(seen.missing)) == (1, ["day=2026-04-30"])
        assert "a sensor does not look for rows: 1 of the 2 files of version" in seen.describe()


def test_what_is_overdue_by_its_history_is_told_while_it_is_waited_for(tmp_path: Path) -> None:
    for day in range(1, 13):
        path = write_csv(tmp_path / f"2026-03-{day:02d}.csv", good_rows(2))
        arrived = datetime(2026, 3, day, 6, day, tzinfo=UTC).timestamp()
        os.utime(path, (arrived, arrived))
    dataset = PartitionedDataset(f"{tmp_path}/{{day}}.csv")
    seen = assess(dataset, ["2026-03-13"], stable_for=60, now=datetime(2026, 3, 13, 7, tzinfo=UTC).timestamp())
    assert seen.describe() == "0 partitions ready; 1 not there: day=2026-03-13"
    seen = assess(dataset, ["2026-03-13"], stable_for=None, now=datetime(2026, 3, 13, 12, tzinfo=UTC).timestamp())
    assert seen.describe() == (
        "0 partitions ready; 1 not there: day=2026-03-13; partition day=2026-03-13 is late: 12 h after the "
        "beginning of its period; usually 6 h 6 min (the 12 before it)"
    )
