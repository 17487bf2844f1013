"""What tasks keep for pages comes back from JSON, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kept import FAILURE, GATE, PROGRESS

from airflow_batchscore.publish.progress import Failure

pytestmark = pytest.mark.unit

VALUES: list[Any] = [
    PROGRESS,
    FAILURE,
    GATE,
]


@pytest.mark.parametrize("value", VALUES)
def test_it_comes_back_from_json(value: Any) -> None:
    assert type(value).from_dict(json.loads(json.dumps(value.to_dict()))) == value


@pytest.mark.parametrize("value", VALUES)
def test_what_another_version_or_somebody_else_wrote_is_ignored(value: Any) -> None:
    stored = value.to_dict()
    for wrong in ({**stored, "schema": 2}, {"schema": 1}, {}, [], "text", {**stored, "slowest": 3, "checks": [7]}):
        if not (isinstance(value, Failure) and isinstance(wrong, dict) and "message" in wrong and wrong["schema"] == 1):
            assert type(value).from_dict(wrong) is None


def test_counts_stand_beside_the_other_fields() -> None:
    stored = PROGRESS.to_dict()
    assert (stored["rows_read"], stored["rows_quarantined"], "account" in stored) == (30, 1, False)
