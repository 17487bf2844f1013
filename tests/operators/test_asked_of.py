"""What a page asked of a scoring task."""

from __future__ import annotations

from typing import Any

import pytest
from operator_calls import Store, planned, scored
from support import Small, good_rows

from airflow_batchscore.operators.asked import Asked
from airflow_batchscore.operators.task_store import TaskStore

pytestmark = pytest.mark.dag


@pytest.fixture
def data(fresh: Small) -> Small:
    fresh.add(1, [*good_rows(20, 1000), (9, "x", 2, 0)])
    return fresh


def _score(data: Small, store: Store, **options: Any) -> dict[str, Any]:
    (entry,) = planned(data, "r", 1)
    (manifest,) = scored(data, entry, "r", block_rows=5, task_state_store=store, **options)["manifests"]
    result: dict[str, Any] = manifest
    return result


def test_each_request_scores_once_more_and_is_forgotten_when_it_is_committed(data: Small) -> None:
    store = Store()
    first = _score(data, store)
    store["batchscore_force"] = "10:00 by ann"
    forced = _score(data, store)
    assert (forced["reused"], forced["manifest"][-11:], "batchscore_force" in store) == (False, "000002.json", False)
    assert _score(data, store)["manifest"] == forced["manifest"]
    store["batchscore_force"] = "10:05 by ann"
    again = _score(data, store)
    assert (again["reused"], again["manifest"][-11:]) == (False, "000003.json")
    assert first["rows_read"] == again["rows_read"]


def test_a_retry_uses_what_was_committed_for_the_same_request(data: Small) -> None:
    _score(data, Store())
    forced = _score(data, Store(batchscore_force="10:00 by ann"))
    retried = _score(data, Store(batchscore_force="10:00 by ann"))
    assert (retried["reused"], retried["manifest"]) == (True, forced["manifest"])


def test_a_request_stays_if_the_task_fails(data: Small) -> None:
    store = Store(batchscore_force="10:00 by ann")
    with pytest.raises(Exception, match="cannot be scored"):
        _score(data, store, quarantine=0)
    assert store["batchscore_force"] == "10:00 by ann"


def test_only_blocks_with_rows_in_quarantine_are_replayed(data: Small) -> None:
    store = Store()
    _score(data, store)
    store["batchscore_replay"] = "10:00 by ann"
    replayed = _score(data, store)
    assert (replayed["reused"], replayed["rows_quarantined"], "batchscore_replay" in store) == (False, 1, False)
    assert store["batchscore_progress"]["rows_before"] > 0


def test_a_request_that_came_meanwhile_stays() -> None:
    store = Store(batchscore_force="10:00 by ann")
    kept = TaskStore({"task_state_store": store})
    asked = Asked.of(kept)
    store["batchscore_force"] = "10:05 by bob"
    asked.done(kept)
    assert store == {"batchscore_force": "10:05 by bob"}


@pytest.mark.parametrize(("value", "name"), [(True, "True"), (["x"], "['x']"), ("y" * 1000, "y" * 200)])
def test_whatever_was_stored_is_no_more_than_a_name(value: Any, name: str) -> None:
    assert Asked.of(TaskStore({"task_state_store": Store(batchscore_force=value)})) == Asked(name, None)
