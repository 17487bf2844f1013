"""One file of many partitions: those that a run did not score are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publications import ids, publish, stamps, stopped_publisher
from support import Small, good_rows, small

from airflow_batchscore.data.storage import Location, swap
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.publish.targets.kept_groups import KeptGroups
from airflow_batchscore.publish.targets.parquet_writer import Sides
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

FILES = ["out.parquet", "out.csv"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("data"))
    for partition in (1, 2, 3, 10):
        made.add(partition, good_rows(100 + partition, 1000 * partition))
    made.add("empty", [])
    made.add("x", good_rows(3, 1))
    return made


def _scored(data: Small, *partitions: int | str, **options: Any) -> list[Manifest]:
    return [manifest for manifest, _ in data.score(*partitions, block_rows=40, **options)]


@pytest.mark.parametrize("name", FILES)
def test_partitions_that_the_run_did_not_score_are_kept_in_their_order(data: Small, tmp_path: Path, name: str) -> None:
    whole, output = tmp_path / f"whole-{name}", tmp_path / name
    combine(_scored(data, 1, 2, 3, 10), Location(str(whole)))
    combine(_scored(data, 3, 10), Location(str(output)))
    done = combine(_scored(data, 1, 3), Location(str(output)))
    assert done.changes.to_dict() == {
        "added": ["p=1"],
        "replaced": [],
        "unchanged": ["p=3"],
        "kept": ["p=10"],
        "dropped": [],
    }
    combine(_scored(data, 2), Location(str(output)))
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    pd.testing.assert_frame_equal(read(output), read(whole))
    if name.endswith("csv"):
        assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_a_field_of_text_stays_text_when_a_run_sees_only_numbers(data: Small, tmp_path: Path, name: str) -> None:
    output = Location(str(tmp_path / name))

    def kind() -> str:
        statement = target_of(output).statement(swap.current(output))
        return str(statement.schema["p"])

    combine(_scored(data, 1, "x"), output)
    assert kind() == "string"
    combine(_scored(data, 2), output, Publication(replace_all=True))
    assert kind() == "string"
    with pytest.raises(OutputError, match=r"cannot be added to.*p is string.*int64.*field_types=\{field: type\}"):
        combine(_scored(data, 1), output, Publication(field_types={"p": "int64"}))
    done = combine(_scored(data, 2), output, Publication(field_types={"p": "int64"}))
    assert (done.changes.unchanged, kind()) == (["p=2"], "int64")
    with pytest.raises(OutputError, match="'q', which is no partition field"):
        combine(_scored(data, 2), output, Publication(field_types={"q": "int64"}))


@pytest.mark.parametrize("name", FILES)
def test_a_file_behind_a_link_is_replaced_and_the_link_stays(data: Small, tmp_path: Path, name: str) -> None:
    real, link = tmp_path / "real" / name, tmp_path / name
    publish(_scored(data, 1), real)
    link.symlink_to(real)
    publish(_scored(data, 2), link)
    publish(_scored(data, 3), real)
    assert link.readlink() == real
    assert list(ids(link)) == ["1", "2", "3"]


@pytest.mark.parametrize("name", FILES)
def test_replace_all_drops_what_the_run_did_not_score(data: Small, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    publish(_scored(data, 1, 2), output)
    done = publish(_scored(data, 2), output, replace_all=True)
    assert (done.changes.dropped, done.changes.unchanged) == (["p=1"], ["p=2"])
    assert list(ids(output)) == ["2"]


@pytest.mark.parametrize("name", FILES)
def test_other_columns_than_those_published_are_refused_unless_all_is_replaced(
    data: Small, tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    publish(_scored(data, 1, 2), output)
    before = output.read_bytes()
    other = _scored(data, 2, method="predict_proba")
    with pytest.raises(OutputError, match=r"the columns prediction, which this run lacks; this run has .*p=1.*all"):
        publish(other, output)
    assert output.read_bytes() == before
    publish(_scored(data, 1, 2, method="predict_proba"), output)  # nothing is left that would not fit
    publish(_scored(data, 2), output, replace_all=True)
    assert list(ids(output)) == ["2"]


def test_a_field_that_is_no_number_any_more_is_refused_beside_numbers(data: Small, tmp_path: Path) -> None:
    data.add("x", good_rows(3))
    publish(_scored(data, 1), tmp_path / "out.parquet")
    with pytest.raises(OutputError, match="the column p is int64 in the published data and string in this run"):
        publish(_scored(data, "x"), tmp_path / "out.parquet")


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_program_is_not_replaced(data: Small, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    if name.endswith("csv"):
        output.write_text("p,id\n1,2\n")
    else:
        pq.write_table(pa.table({"p": [1], "id": [2]}), output)
    with pytest.raises(OutputError, match="was not published by this package.*replace_all=True"):
        publish(_scored(data, 1), output)
    publish(_scored(data, 1), output, replace_all=True)
    assert len(ids(output)["1"]) == 101


@pytest.mark.parametrize("name", [*FILES, "out"])
def test_no_rows_replace_none_unless_that_is_allowed(data: Small, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    publish(_scored(data, 1, 2), output)
    data.add(1, [])
    try:
        emptied = _scored(data, 1, allow_empty=True)
    finally:
        data.add(1, good_rows(101, 1000))
    with pytest.raises(GateError, match="no partition has a row"):
        publish(emptied, output)
    with pytest.raises(GateError, match=r"no row was scored of p=1 \(101 rows\), of which"):
        publish([*emptied, *_scored(data, 3)], output)
    assert sorted(ids(output)) == ["1", "2"]
    if name in FILES:
        publish([*emptied, *_scored(data, 3)], output, replace_all=True)  # what is not there may go, so rows may
        publish(_scored(data, 1, 2), output, replace_all=True)
    publish(emptied, output, allow_empty=True)
    assert list(ids(output)) == ["2"]
    assert publish([*emptied, *_scored(data, 3)], output).changes.added == ["p=3"]  # no rows are lost now


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_two_runs_of_different_partitions_at_once_lose_neither(data: Small, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    publish(_scored(data, 1), output)
    with stopped_publisher(_scored(data, 2), output, 0, tmp_path / "mark") as sleeper:
        publish(_scored(data, 3), output)
        assert sleeper.wake() == (0, "")
    assert sorted(ids(output)) == ["1", "2", "3"]


def test_kept_partitions_are_copied_in_bounded_memory(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_batchscore.publish.targets.parquet_writer._GROUP_ROWS", 10)
    monkeypatch.setattr("airflow_batchscore.publish.targets.csv_file._PIECE", 100)
    sizes, read = [], KeptGroups._read

    def measured(*args: Any) -> list[Sides]:
        (group,), *more = read(*args)
        sizes.append((group.rows, len(more)))
        return [(group,), *more]

    monkeypatch.setattr(KeptGroups, "_read", measured)
    for name in FILES:
        # Parts of which no footer is known are encoded again, in row groups of at most so many rows.
        parts = [
            replace(one, blocks=[replace(block, footer="") for block in one.blocks]) for one in _scored(data, 1, 2)
        ]
        publish(parts, tmp_path / name)
        publish(_scored(data, 3), tmp_path / name)
        assert {p: len(rows) for p, rows in ids(tmp_path / name).items()} == {"1": 101, "2": 102, "3": 103}
    assert max(sizes) == (10, 0)
    places = [one["place"] for one in stamps(tmp_path / "out.parquet").values()]
    assert [places[0][0], *(behind for _, behind in places)] == [0, places[1][0], places[2][0], places[2][1]]
