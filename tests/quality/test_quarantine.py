"""Bad rows are found one by one, within a limit, and kept with their place and reason."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_batchscore.data.batch import BadRow
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import RecipeError, ScoringError
from airflow_batchscore.quality.quarantine import Limit, score_rows, write

pytestmark = pytest.mark.unit


TABLE = pa.table({"row": range(100)})


def _fails_on(*bad: int) -> Callable[[pa.Table], list[int]]:
    def score(table: pa.Table) -> list[int]:
        rows: list[int] = table["row"].to_pylist()
        if set(bad) & set(rows):
            raise ValueError(f"bad {sorted(set(bad) & set(rows))}")
        return rows

    return score


@pytest.mark.parametrize("bad", [[], [0], [99], [3, 50, 51], list(range(10))])
def test_finds_exactly_the_rows_that_fail(bad: list[int]) -> None:
    taken, values, failed = score_rows(TABLE, _fails_on(*bad), limit=20)
    assert [row for row, _ in failed] == bad
    assert values == [n for n in range(100) if n not in bad], "in one call"
    assert taken is None if not bad else taken.tolist() == values


def test_rows_with_odd_values_that_fail_cost_no_search_among_the_others() -> None:
    """And those that do not fail, or fail without an odd value, are told apart as well."""
    values = [0.5] * 1000
    values[10::100] = [math.inf] * 10
    table = pa.table({"row": range(1000), "a": values, "text": ["x", None] * 500})
    calls: list[int] = []

    def score(some: pa.Table) -> list[int]:
        calls.append(some.num_rows)
        rows: list[int] = some["row"].to_pylist()
        if not np.isfinite(some["a"].to_numpy()).all() or 8 in rows:
            raise ValueError("bad")
        return rows

    taken, scored, failed = score_rows(table, score, limit=20)
    bad = sorted([8, *range(10, 1000, 100)])
    assert [row for row, _ in failed] == bad
    assert taken is not None
    assert scored == taken.tolist() == [row for row in range(1000) if row not in bad]
    calls.clear()
    score_rows(pa.table({"row": range(100, 1100), "a": values}), score, limit=20)
    assert sum(calls) < 3 * 1000 + 10 * 10, (
        "all, those that are not odd, the odd ones by halves, and the rest at the end"
    )


@pytest.mark.parametrize("value", [0.5, None])
def test_all_rows_are_tried_together_once(value: float | None) -> None:
    """Whether no row has an odd value or each has one."""
    calls: list[int] = []

    def score(table: pa.Table) -> None:
        calls.append(table.num_rows)
        if 7 in table["row"].to_pylist():
            raise ValueError("bad")

    score_rows(TABLE.append_column("a", pa.array([value] * 100, pa.float64())), score, limit=1)
    assert calls[:3] == [100, 50, 25]


def test_where_all_rows_fail_nothing_is_scored() -> None:
    taken, values, failed = score_rows(TABLE, _fails_on(*range(100)), limit=100)
    assert (len(failed), values) == (100, None)
    assert taken is not None
    assert not len(taken)


def test_rows_that_raise_only_together_are_no_bad_rows() -> None:
    with pytest.raises(ScoringError, match="two formats. 100 rows raise it together, and none of them alone"):
        score_rows(TABLE, _two_formats, limit=20)


def _two_formats(table: pa.Table) -> None:
    if {3, 90} <= set(table["row"].to_pylist()):
        raise ValueError("two formats")


def test_the_search_is_bounded() -> None:
    calls = 0

    def score(table: pa.Table) -> None:
        nonlocal calls
        calls += 1
        raise ValueError("always")

    with pytest.raises(ScoringError, match="more than 5 rows fail, the last with ValueError: always"):
        score_rows(pa.table({"row": range(100_000)}), score, limit=5)
    assert calls < 60


def test_what_is_wrong_with_the_recipe_is_not_a_bad_row() -> None:
    def score(table: pa.Table) -> None:
        raise RecipeError("broken")

    with pytest.raises(RecipeError, match="broken"):
        score_rows(TABLE, score, limit=1000)


def test_rows_that_belong_together_are_not_parted() -> None:
    with pytest.raises(ScoringError, match=r"ValueError: bad \[7\].*row_wise=False.*none can be set apart"):
        score_rows(TABLE, _fails_on(7), limit=20, together=True)


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10), (0, 0), ("0.01", 0.01), (0.5, 0.5), ("1.0", 1.0), (1e-5, 1e-5), ("1e-05", 1e-5)]
)
def test_a_limit_is_a_count_or_a_share(text: object, value: float) -> None:
    limit = Limit.of(text)
    assert limit.value == value
    assert type(limit.value) is type(value)


@pytest.mark.parametrize("value", [-1, "many", "1.5", None, True, math.inf, math.nan, "inf", "nan", 2.0, np.float32(7)])
def test_other_limits_are_refused(value: object) -> None:
    with pytest.raises(ScoringError, match="give a count of rows"):
        Limit.of(value)


def test_a_share_is_of_the_rows_read() -> None:
    assert Limit.of(0.01).allows(1, 100)
    assert not Limit.of(0.01).allows(2, 100)
    assert not Limit.of(0).allows(1, 10**9)


def test_a_share_of_a_hundred_rows_is_as_many_as_it_says() -> None:
    """In floats 0.29 times 100 is 28.999999999999996."""
    shares = [Limit.of(percent / 100) for percent in range(101)]
    assert [share.rows_of(100) for share in shares] == list(range(101))
    assert [share.rows_of(99) for share in shares] == [percent * 99 // 100 for percent in range(101)]


def test_quarantined_rows_keep_place_keys_reason_and_raw_values(tmp_path: Path) -> None:
    rows = [BadRow(7, "ParseError", "expected a number", {"id": "1", "a": "<b>"}), BadRow(9, "ValueError", "no", {})]
    file = Location(str(tmp_path / "q.parquet"))
    write(file, rows, partition={"p": "1"}, block=3, source="/d/f.csv", keys=["id"])
    found = pq.read_table(file.uri).to_pylist()
    assert found[0] == {
        "p": "1",
        "file": "/d/f.csv",
        "block": 3,
        "row": 7,
        "key_id": "1",
        "error": "ParseError",
        "message": "expected a number",
        "raw": json.dumps({"id": "1", "a": "<b>"}),
    }
    assert found[1]["key_id"] is None


def test_partition_fields_called_like_its_own_columns_keep_their_values(tmp_path: Path) -> None:
    file = Location(str(tmp_path / "q.parquet"))
    own = ("row", "file", "block", "error", "message", "raw", "key_id")
    fields = {name: f"of {name}" for name in (*own, "partition_row", "year")}
    write(file, [BadRow(7, "E", "no", {"id": "1"})], partition=fields, block=3, source="/f", keys=["id"])
    (found,) = pq.read_table(file.uri).to_pylist()
    assert (found["row"], found["file"], found["block"], found["key_id"]) == (7, "/f", 3, "1")
    assert (found["error"], found["message"], found["raw"]) == ("E", "no", json.dumps({"id": "1"}))
    assert {f"of {name}" for name in (*own, "partition_row", "year")} <= set(found.values())
    assert found["partition_partition_row"] == "of row"
    assert found["partition_file"] == "of file"
    assert (found["partition_row"], found["year"]) == ("of partition_row", "of year")
