"""What a gate says of what it looked at."""

from __future__ import annotations

import pytest

from airflow_batchscore.quality.check import Check, as_lines, problems_of, table

pytestmark = pytest.mark.unit

CHECKS = [Check("rows in quarantine", "3 of 1,200", "0", "3 rows are in quarantine"), Check("models", "1", "1")]


def test_checks_come_back_from_json() -> None:
    assert [Check.from_dict(check.to_dict()) for check in CHECKS] == CHECKS


def test_the_table_is_aligned_and_ends_with_the_problems() -> None:
    assert table(CHECKS).split("\n") == [
        "checked             found       allowed",
        "rows in quarantine  3 of 1,200  0        PROBLEM",
        "models              1           1        ok",
        "3 rows are in quarantine",
    ]


def test_one_problem_stands_in_the_sentence_and_several_on_lines() -> None:
    assert problems_of(CHECKS) == ["3 rows are in quarantine"]
    assert as_lines(["a"]) == ": a"
    assert as_lines(["a", "b"]) == ", 2 problems:\n- a\n- b"
