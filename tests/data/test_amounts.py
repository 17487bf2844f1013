from __future__ import annotations

import pytest

from airflow_batchscore.data.amounts import in_bytes, in_words, number_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (0.25, "0.2 s"),
        (9.96, "10 s"),
        (12.3, "12 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (50 * 3600, "50 h"),
        (72 * 3600 - 1, "71 h 59 min"),
        (72 * 3600, "3 days"),
        (84 * 3600, "3.5 days"),
        (9.97 * 86400, "10 days"),
        (4000 * 86400, "4,000 days"),
        (-75, "-1 min 15 s"),
    ],
)
def test_durations_are_for_people(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_600, "1 MB"),
        (2_345_678, "2.35 MB"),
        (3.1e9, "3.1 GB"),
        (5e15, "5,000 TB"),
    ],
)
def test_sizes_are_for_people(size: float, text: str) -> None:
    assert in_bytes(size) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (1200, "1,200 rows")])
def test_one_thing_is_no_plural(count: int, text: str) -> None:
    assert number_of(count, "row") == text
