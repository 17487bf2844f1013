"""A plan tells of rows whose partition cannot be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.data.unlabelled import unlabelled

pytestmark = pytest.mark.unit


def _told(path: Path, text: str, by: Any, **options: Any) -> list[str]:
    path.write_text(text)
    dataset = PartitionedDataset(f"{path}", partition_by=by, read_options=options)
    return unlabelled(dataset, dataset.discover())


@pytest.mark.parametrize(
    ("by", "cell", "options", "parts"),
    [
        (
            "a % 4",
            "10.612",
            {},
            [
                "'10.612'",
                '(and "thousands", if its digits are grouped)',
                '{"a": "int64"}}, or divide by hash(a) % 4; or',
            ],
        ),
        ("a % 4", "1.5", {"column_types": {"a": "float64"}}, ["'1.5'", "a whole number, of the declared type float64"]),
        (
            "a % 4",
            "x",
            {"column_types": {"a": "int64"}},
            ["'x'", "should be a whole number, of the declared type int64"],
        ),
        ("month(a)", "18.03.2024", {}, ["'18.03.2024'", '"timestamp[us]"}, "date_format": "%d.%m.%Y"}; or the rows']),
        ("a % 4", "", {}, ["'a' is empty there. Such rows"]),
        (["_row % 2", "a"], " ", {}, ["'a' is empty there"]),
    ],
)
def test_a_tenth_of_the_first_rows_without_a_value_is_told(
    tmp_path: Path, by: Any, cell: str, options: dict[str, Any], parts: list[str]
) -> None:
    good = "2026-04-01" if "month" in str(by) else "7"
    rows = [f"{good},0"] * 18 + [f"{cell},0"] * 2
    (text,) = _told(tmp_path / "g.csv", "a,b\n" + "\n".join(rows) + "\n", by, **options)
    assert text.startswith(f"2 of the first 20 rows of {tmp_path}/g.csv have no value of a")
    assert f"={NO_VALUE}, which is scored only where partitions= names it" in text
    assert all(part in text for part in parts), text
    assert _told(tmp_path / "g.csv", "a,b\n" + "\n".join([f"{good},0", *rows]) + "\n", by, **options) == []


def test_each_term_is_told_of(tmp_path: Path) -> None:
    rows = "".join(f"{json.dumps({'a': 'x', 'ts': '1.4.2026'})}\n" for _ in range(3))
    first, second = _told(tmp_path / "g.jsonl", rows, ["a % 2", "day(ts)"])
    assert "no value of a_mod_2: 'a' cannot be read there, such as 'x'" in first
    assert "no value of ts_day: 'ts' cannot be read there, such as '1.4.2026': it should be a date like" in second


def test_what_cannot_be_looked_at_is_for_the_tasks_to_tell(tmp_path: Path) -> None:
    assert _told(tmp_path / "g.csv", "b\n1\n", "a % 2") == []
    assert _told(tmp_path / "g.csv", "a\n", "a % 2") == []
    assert _told(tmp_path / "g.csv", "a\n1\n", "_row % 2") == []
    assert unlabelled(PartitionedDataset(f"{tmp_path}/{{p}}.csv"), []) == []
