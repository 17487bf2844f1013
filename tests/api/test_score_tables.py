"""A Delta or Iceberg table is scored like files: by its partitions or by its rows, once for each file it has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_tables import KINDS, SourceTable, day, games, source_table
from support import Small, small

from airflow_batchscore import LocalDask, score
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.fixture
def model(tmp_path: Path) -> Small:
    return small(tmp_path / "model")


@pytest.fixture(params=KINDS)
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SourceTable]:
    with source_table(request.param, tmp_path / "lake", "day") as made:
        made.append(games(1))
        made.append(games(2))
        yield made


def _score(model: Small, dataset: Any, partitions: object = None, **options: Any) -> Any:
    given = {"output_uri": f"{model.folder}/staged", "engine": LocalDask(workers=2), **options}
    return score(dataset, model.model.uri, partitions, **given)


def _plain(model: Small, *tables: Any) -> dict[int, int]:
    """The scores by the model's own predict."""
    from airflow_batchscore.model import artifact

    frame = pd.concat([each.to_pandas() for each in tables])
    predicted = artifact.load(model.model).estimator.predict(frame[["a", "b"]])
    return dict(zip(frame["id"], predicted, strict=True))


def _scores(run: Any) -> dict[int, int]:
    frame = run.frame()
    return dict(zip(frame["id"], frame["prediction"], strict=True))


def test_only_what_changed_is_scored_again(model: Small, table: SourceTable) -> None:
    run = _score(model, table.dataset())
    assert run.account.astuple() == (20, 20, 0, 0)
    assert _scores(run) == _plain(model, games(1), games(2))
    assert set(run.frame()["day"]) == {"2026-04-01", "2026-04-02"}

    table.append(games(3))
    table.append(games(2, 5, offset=500))
    assert _score(model, table.dataset()).reused == {
        "day=2026-04-01": True,
        "day=2026-04-02": False,
        "day=2026-04-03": False,
    }
    old = table.version
    table.replace_day(1, games(1, 3))
    again = _score(model, table.dataset())
    assert again.reused == {"day=2026-04-01": False, "day=2026-04-02": True, "day=2026-04-03": True}
    assert _scores(again) == _plain(model, games(1, 3), games(2), games(2, 5, offset=500), games(3))

    before = _score(model, table.dataset(version=old), ["2026-04-01"])
    assert before.reused == {"day=2026-04-01": True}, "time travel finds the old rows' scores"
    assert _scores(before) == _plain(model, games(1))


def test_rows_are_divided_over_all_files(model: Small, table: SourceTable) -> None:
    run = _score(model, table.dataset("id % 4"))
    assert run.account.astuple() == (20, 20, 0, 0)
    assert _scores(run) == _plain(model, games(1), games(2))
    assert {(row.id_mod_4, row.id % 4) for row in run.frame().itertuples()} == {(str(n), n) for n in range(4)}


def test_days_and_buckets_read_the_days_files_alone(model: Small, table: SourceTable) -> None:
    dataset = table.dataset(["day", "id % 2"])
    (found,) = (each for each in dataset.discover() if each.values == {"day": "2026-04-02", "id_mod_2": "1"})
    assert [file.uri for file in found.files] == [str(path) for path in table.files(2)]
    run = _score(model, dataset)
    assert _scores(run) == _plain(model, games(1), games(2))
    table.append(games(1, 5, offset=500))
    again = _score(model, dataset).reused
    assert {key for key, reused in again.items() if reused} == {
        "day=2026-04-02/id_mod_2=0",
        "day=2026-04-02/id_mod_2=1",
    }


def test_files_from_before_the_table_was_partitioned_leave_the_identity_of_others_alone(
    model: Small, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with source_table("iceberg", tmp_path / "lake") as table:
        table.append(games(1))
        with table.opened().update_spec() as spec:
            spec.add_identity("day")
        table.append(games(2))
        table.append(games(3))
        _score(model, table.dataset())
        assert "1 of the 3 files of version" in caplog.text, "the plan says what they cost"
        table.append(games(4))
        table.append(games(1, 5, offset=500))  # late rows of a day that the old file has
        run = _score(model, table.dataset())
        reused = {str(day(number)): number in (2, 3) for number in (1, 2, 3, 4)}
        assert run.reused == {f"day={value}": each for value, each in reused.items()}
        assert run.account.astuple() == (45, 45, 0, 0)
        tables = [*map(games, (1, 2, 3, 4)), games(1, 5, offset=500)]
        assert _scores(run) == _plain(model, *tables)
        assert all(_score(model, table.dataset()).reused.values())
        by_buckets = _score(model, table.dataset(["day", "id % 2"]))
        assert (by_buckets.account.astuple(), _scores(by_buckets)) == ((45, 45, 0, 0), _plain(model, *tables))


def test_numbers_of_rows_are_those_of_all_files(model: Small, table: SourceTable) -> None:
    """Counted within a day, each day's only row would be the first, and no partition would have the second one's."""
    table.append(games(3, rows=1))
    table.append(games(4, rows=1))
    run = _score(model, table.dataset(["day", "_row % 2"]))
    assert run.account.astuple() == (22, 22, 0, 0)
    assert _scores(run) == _plain(model, games(1), games(2), games(3, rows=1), games(4, rows=1))


def test_rows_of_files_that_lack_what_divides_them_are_in_the_partition_of_rows_without_a_value(
    model: Small, table: SourceTable
) -> None:
    wider = games(3).append_column("shop", pa.array(["x"] * 10))
    if table.kind == "delta":
        table.append(wider, schema_mode="merge")
    else:
        from pyiceberg.types import StringType

        with table.opened().update_schema() as change:
            change.add_column("shop", StringType())
        table.append(wider)
    for by, count in {"shop": 2, ("day", "shop"): 3}.items():
        run = _score(model, table.dataset(by))
        assert (len(run.reused), run.account.astuple()) == (count, (30, 30, 0, 0))
        assert _scores(run) == _plain(model, games(1), games(2), games(3))


@pytest.mark.parametrize("by", ["day", ["day", "id % 2"]])
def test_files_that_hive_wrote_have_the_value_of_their_partition(model: Small, tmp_path: Path, by: object) -> None:
    """Their tables became Iceberg ones in place: a column of the partition stands in the names of folders alone."""
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    with source_table("iceberg", tmp_path / "lake", "day") as table:
        table.append(games(2))
        path = Path(table.uri, "data", "day=2026-04-01", "000000_0.parquet")
        path.parent.mkdir()
        pq.write_table(games(1).drop_columns(["day"]), path)
        file = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=f"file://{path}",
            file_format=FileFormat.PARQUET,
            partition=Record((day(1) - dt.date(1970, 1, 1)).days),
            record_count=10,
            file_size_in_bytes=path.stat().st_size,
        )
        file.spec_id = table.opened().spec().spec_id
        change = table.opened().transaction()
        with change.update_snapshot().fast_append() as snapshot:
            snapshot.append_data_file(file)
        change.commit_transaction()
        run = score(
            table.dataset(by),
            function=f"{__name__}:first_of_month",
            keys=["id", "day"],
            output_uri=f"{model.folder}/staged",
        )
        found = {(row.id // 1000, str(row.day), row.first) for row in run.frame().itertuples()}
        assert found == {(1, str(day(1)), True), (2, str(day(2)), False)}
        assert run.account.astuple() == (20, 20, 0, 0)


def test_months_of_a_column_that_the_table_knows(model: Small, table: SourceTable) -> None:
    (found,) = table.dataset("month(day)").discover()
    assert (found.values, len(found.files), found.by) == ({"day_month": "2026-04"}, 2, ())
    assert _scores(_score(model, table.dataset("month(day)"))) == _plain(model, games(1), games(2))


def first_of_month(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"first": pd.to_datetime(frame["day"]).dt.day == 1}, index=frame.index)


def test_a_function_sees_the_column_of_the_partition(model: Small, table: SourceTable) -> None:
    run = score(
        table.dataset("id % 2"),
        function=f"{__name__}:first_of_month",
        keys=["id", "day"],
        output_uri=f"{model.folder}/staged",
    )
    frame = run.frame()
    assert {(row.day, row.first) for row in frame.itertuples()} == {(day(1), True), (day(2), False)}


def test_removed_files_are_said_to_be(model: Small, table: SourceTable) -> None:
    dataset = table.dataset().fixed()
    table.replace_day(1, games(1, 3))
    for path in table.files(1):
        if str(path) in {file.uri for file in dataset.partition({"day": "2026-04-01"}).files}:
            path.unlink()
    with pytest.raises(InputError, match=r"is gone, which is part of version .*vacuum.*Plan again") as raised:
        _score(model, table.dataset(version=dataset.version), ["2026-04-01"])
    assert dataset.version is not None
    assert str(dataset.version) in str(raised.value)


def test_a_column_that_came_later_is_missing_in_older_rows(model: Small, table: SourceTable) -> None:
    wider = games(3).append_column("c", pa.array(range(10), pa.int32()))
    if table.kind == "delta":
        table.append(wider, schema_mode="merge")
    else:
        from pyiceberg.types import IntegerType

        with table.opened().update_schema() as change:
            change.add_column("c", IntegerType())
        table.append(wider)
    run = _score(model, table.dataset(), keys=["id", "c"])
    frame = run.frame()
    assert _scores(run) == _plain(model, games(1), games(2), games(3))
    assert frame[frame["id"] < 3000]["c"].isna().all()
    assert sorted(frame[frame["id"] >= 3000]["c"]) == list(range(10))
