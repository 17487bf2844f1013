"""When a model may have been trained to be used, as a policy says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from airflow_batchscore import ModelPolicy
from airflow_batchscore.errors import InputError
from airflow_batchscore.plan.policy import time_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("max_age", "age"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("1.5h", timedelta(minutes=90)),
        (" 30 d ", timedelta(days=30)),
        ("2w", timedelta(days=14)),
    ],
)
def test_the_oldest_model_is_so_much_older_than_the_newest_that_is_allowed(max_age: str, age: timedelta) -> None:
    newest = datetime(2026, 3, 1, tzinfo=UTC)
    assert ModelPolicy(max_age=max_age, not_after="2026-03-01").limits() == (newest - age, newest)


def test_an_age_without_a_newest_time_counts_from_now() -> None:
    before = datetime.now(UTC)
    earliest, latest = ModelPolicy(max_age="1d").limits()
    assert latest is None
    assert earliest is not None
    assert before <= earliest + timedelta(days=1) <= datetime.now(UTC)


def test_a_policy_that_says_nothing_or_a_param_left_empty_sets_no_limit() -> None:
    assert ModelPolicy().limits() == ModelPolicy(max_age="", not_after="").limits() == (None, None)


def test_a_time_without_a_zone_is_utc() -> None:
    assert time_of("2026-03-01T12:00:00") == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert time_of("2026-03-01T12:00:00+02:00") == datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("max_age", ["99999999999999d", "200000w"])
def test_an_age_beyond_the_calendar_is_refused(max_age: str) -> None:
    with pytest.raises(InputError, match=f"max_age='{max_age}'. reaches back before the year 1"):
        ModelPolicy(max_age=max_age, not_after="2026-03-01").limits()


@pytest.mark.parametrize("max_age", ["30", "d30", "-1d", "30 days", "1d2h", "nand"])
def test_an_age_that_is_none_is_refused(max_age: str) -> None:
    with pytest.raises(InputError, match="write a number and s, m, h, d or w: '30d'"):
        ModelPolicy(max_age=max_age).limits()


def test_what_a_policy_may_do_differs_by_the_case() -> None:
    assert ModelPolicy(other_version="use").other_version == "use"
    with pytest.raises(InputError, match=r"ModelPolicy\(missing='use'\): give one of fail, skip, fallback$"):
        ModelPolicy(missing="use")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="too_new='fallback'. needs fallback=, the model that stands in"):
        ModelPolicy(too_new="fallback")
