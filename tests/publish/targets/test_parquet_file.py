"""One Parquet file says in its footer where its partitions come from, and keeps those that a run did not score."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from publications import ids, publish, staged

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.stamp import ForeignFileError, PartitionStamp, Publication
from airflow_batchscore.publish.targets.parquet_file import ParquetFile, read_statement
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


def _scored(folder: Path, *partitions: int, rows: int = 20) -> list[Manifest]:
    """Partitions with the ids 1000, 1001, ... (2000, ...)."""
    return [
        staged(folder / str(rows), p, pa.table({"id": range(1000 * p, 1000 * p + rows), "prediction": [0.5] * rows}))
        for p in partitions
    ]


def test_a_published_file_states_its_columns_and_partitions(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    assert read_statement(Location(str(output))) is None
    publish(_scored(tmp_path, 1, 2), output, 7)
    statement = read_statement(Location(str(output)))
    assert statement is not None
    assert statement.schema == {"p": "int64", "id": "int64", "prediction": "double"}
    assert [(stamp.key, stamp.generation, stamp.place) for stamp in statement.stamps] == [
        ("p=1", 7, (0, 1)),
        ("p=2", 7, (1, 2)),
    ]


def test_kept_partitions_are_copied_bit_for_bit_and_know_their_new_place(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    publish(_scored(tmp_path, 2, 3), output)
    assert publish(_scored(tmp_path, 1), output).changes.kept == ["p=2", "p=3"]
    assert {p: rows[0] for p, rows in ids(output).items()} == {"1": 1000, "2": 2000, "3": 3000}
    statement = read_statement(Location(str(output)))
    assert statement is not None
    assert [stamp.place for stamp in statement.stamps] == [(0, 1), (1, 2), (2, 3)]


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    publish(_scored(tmp_path, 1), output)
    output.write_bytes(output.read_bytes()[:-20] + b"x" * 16 + b"PAR1")
    with pytest.raises(OutputError, match="not published: .*footer is damaged.*replace_all=True"):
        publish(_scored(tmp_path, 2), output)


@pytest.mark.parametrize("said", ["[]", '{"format": 1}', "no JSON"])
def test_a_file_that_says_something_else_of_itself_is_replaced_as_a_whole_only(tmp_path: Path, said: str) -> None:
    output, (first, second) = tmp_path / "out.parquet", _scored(tmp_path, 1, 2)
    publish([first, second], output)
    pq.write_table(pq.read_table(output).replace_schema_metadata({"batchscore": said}), output)
    with pytest.raises(OutputError, match="cannot be read by this version of the package.*replace_all=True"):
        publish([second], output)
    publish([second], output, replace_all=True)
    assert list(ids(output)) == ["2"]


def test_a_file_of_another_program_says_nothing_of_itself(tmp_path: Path) -> None:
    pq.write_table(pa.table({"p": [1]}), tmp_path / "theirs.parquet")
    with pytest.raises(ForeignFileError, match=r"theirs\.parquet was not published by this package"):
        read_statement(Location(f"{tmp_path}/theirs.parquet"))


def test_a_file_that_is_replaced_while_it_is_copied_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, keep, others = tmp_path / "out.parquet", ParquetFile.keep, [_scored(tmp_path, 3)]
    publish(_scored(tmp_path, 1, 2), output)

    def overtaken(self: ParquetFile, stamp: PartitionStamp) -> PartitionStamp:
        while others:  # row groups of the old file are not there any more
            publish(others.pop(), output, replace_all=True)
        return keep(self, stamp)

    monkeypatch.setattr(ParquetFile, "keep", overtaken)
    assert publish(_scored(tmp_path, 10), output).changes.kept == ["p=3"]
    assert {p: len(rows) for p, rows in ids(output).items()} == {"3": 20, "10": 20}


def test_the_same_scores_of_the_same_attempt_give_the_same_bytes(tmp_path: Path) -> None:
    manifests = _scored(tmp_path, 1, 2)
    for name in ("a", "b"):
        combine(manifests, Location(f"{tmp_path}/{name}.parquet"), publication=Publication(began=1))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
