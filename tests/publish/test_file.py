"""One file of many partitions: those that a run did not score are kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publications import ids, publish, stamps, stopped_publisher
from support import Small, good_rows, small

from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.parquet_file import ParquetFile
from airflow_batchscore.publish.stamp import Stamp
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

FILES = ["out.parquet", "out.csv"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("data"))
    for partition in (1, 2, 3, 10):
        made.add(partition, good_rows(100 + partition, 1000 * partition))
    made.add("empty", [])
    return made


def _scored(data: Small, *partitions: int | str, **options: Any) -> list[Manifest]:
    return [manifest for manifest, _ in data.score(*partitions, block_rows=40, **options)]


@pytest.mark.parametrize("name", FILES)
def test_partitions_that_the_run_did_not_score_are_kept_in_their_order(data: Small, tmp_path: Path, name: str) -> None:
    whole, output = tmp_path / f"whole-{name}", tmp_path / name
    combine(_scored(data, 1, 2, 3, 10), str(whole))
    combine(_scored(data, 3, 10), str(output))
    done = combine(_scored(data, 1, 3), str(output))
    assert {what: done[what] for what in ("added", "replaced", "unchanged", "kept", "dropped")} == {
        "added": ["p=1"],
        "replaced": [],
        "unchanged": ["p=3"],
        "kept": ["p=10"],
        "dropped": [],
    }
    combine(_scored(data, 2), str(output))
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    pd.testing.assert_frame_equal(read(output), read(whole))
    if name.endswith("csv"):
        assert output.read_bytes() == whole.read_bytes()


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
    assert (done["dropped"], done["unchanged"]) == (["p=1"], ["p=2"])
    assert list(ids(output)) == ["2"]


@pytest.mark.parametrize("name", FILES)
def test_other_columns_than_those_published_are_refused_unless_all_is_replaced(
    data: Small, tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    publish(_scored(data, 1, 2), output)
    before = output.read_bytes()
    other = _scored(data, 2, method="predict_proba")
    with pytest.raises(OutputError, match=r"it has the columns prediction, this run does not; this run has .*p=1.*all"):
        publish(other, output)
    assert output.read_bytes() == before
    publish(_scored(data, 1, 2, method="predict_proba"), output)  # nothing is left that would not fit
    publish(_scored(data, 2), output, replace_all=True)
    assert list(ids(output)) == ["2"]


def test_a_field_that_is_no_number_any_more_is_refused_beside_numbers(data: Small, tmp_path: Path) -> None:
    data.add("x", good_rows(3))
    publish(_scored(data, 1), tmp_path / "out.parquet")
    with pytest.raises(OutputError, match="the column p is int64 there, string here"):
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


def test_a_csv_file_that_was_edited_is_not_taken_for_the_published_one(data: Small, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    publish(_scored(data, 1), output)
    output.write_text(output.read_text() + "1,99,1\n")
    with pytest.raises(OutputError, match="or was changed since"):
        publish(_scored(data, 2), output)


def test_a_damaged_file_is_a_clear_error(data: Small, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    publish(_scored(data, 1), output)
    output.write_bytes(output.read_bytes()[:-20] + b"x" * 16 + b"PAR1")
    with pytest.raises(OutputError, match="not published: .*footer is damaged.*replace_all=True"):
        publish(_scored(data, 2), output)


@pytest.mark.parametrize("said", ["[]", '{"format": 1}', "no JSON"])
def test_a_file_that_says_something_else_of_itself_is_replaced_as_a_whole_only(
    data: Small, tmp_path: Path, said: str
) -> None:
    output = tmp_path / "out.parquet"
    publish(_scored(data, 1, 2), output)
    pq.write_table(pq.read_table(output).replace_schema_metadata({"batchscore": said}), output)
    with pytest.raises(OutputError, match="cannot be read by this version of the package.*replace_all=True"):
        publish(_scored(data, 2), output)
    publish(_scored(data, 2), output, replace_all=True)


@pytest.mark.parametrize("name", [*FILES, "out"])
def test_no_rows_replace_none_unless_that_is_allowed(data: Small, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    publish(_scored(data, 1, 2), output)
    data.add(1, [])
    try:
        emptied = _scored(data, 1, allow_empty=True)
    finally:
        data.add(1, good_rows(101, 1000))
    with pytest.raises(GateError, match="none of the 1 partitions has a row"):
        publish(emptied, output)
    with pytest.raises(GateError, match=r"no row was scored of p=1 \(101 rows\), of which"):
        publish([*emptied, *_scored(data, 3)], output)
    assert sorted(ids(output)) == ["1", "2"]
    if name in FILES:
        publish([*emptied, *_scored(data, 3)], output, replace_all=True)  # what is not there may go, so rows may
        publish(_scored(data, 1, 2), output, replace_all=True)
    publish(emptied, output, allow_empty=True)
    assert list(ids(output)) == ["2"]
    assert publish([*emptied, *_scored(data, 3)], output)["added"] == ["p=3"]  # no rows are lost now


@pytest.mark.parametrize("name", FILES)
def test_two_runs_of_different_partitions_at_once_lose_neither(data: Small, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    publish(_scored(data, 1), output)
    with stopped_publisher(_scored(data, 2), output, 0, tmp_path / "mark") as sleeper:
        publish(_scored(data, 3), output)
        assert sleeper.wake() == (0, "")
    assert sorted(ids(output)) == ["1", "2", "3"]


def test_a_file_that_is_replaced_while_it_is_copied_is_not_called_damaged(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, keep, others = tmp_path / "out.parquet", ParquetFile.keep, [_scored(data, 3)]
    publish(_scored(data, 1, 2), output)

    def overtaken(self: ParquetFile, stamp: Stamp) -> Stamp:
        while others:  # row groups of the old file are not there any more
            publish(others.pop(), output, replace_all=True)
        return keep(self, stamp)

    monkeypatch.setattr(ParquetFile, "keep", overtaken)
    assert publish(_scored(data, 10), output)["kept"] == ["p=3"]
    assert {p: len(rows) for p, rows in ids(output).items()} == {"3": 103, "10": 110}


def test_kept_partitions_are_copied_in_bounded_memory(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_batchscore.publish.parquet_file._GROUP_ROWS", 10)
    monkeypatch.setattr("airflow_batchscore.publish.csv_file._PIECE", 100)
    sizes = []
    read = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda *args: sizes.append((table := read(*args)).num_rows) or table
    )
    for name in FILES:
        publish(_scored(data, 1, 2), tmp_path / name)
        publish(_scored(data, 3), tmp_path / name)
        assert {p: len(rows) for p, rows in ids(tmp_path / name).items()} == {"1": 101, "2": 102, "3": 103}
    assert max(sizes) == 10
    places = [one["place"] for one in stamps(tmp_path / "out.parquet").values()]
    assert [places[0][0], *(behind for _, behind in places)] == [0, places[1][0], places[2][0], places[2][1]]


def test_statements_of_csv_files_that_are_gone_are_swept(data: Small, tmp_path: Path) -> None:

    output, said = tmp_path / "out.csv", tmp_path / "_published" / "out.csv"
    publish(_scored(data, 1), output)
    (first,) = said.iterdir()
    publish(_scored(data, 2), output)
    assert len(list(said.iterdir())) == 2
    os.utime(first, (1, 1))
    publish(_scored(data, 3), output)
    assert first not in said.iterdir()
    assert publish(_scored(data, 3), output, 1)["kept"] == ["p=1", "p=2"]
