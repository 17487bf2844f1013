"""What tasks keep for pages comes back from JSON, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_batchscore.publish.progress import Failure, GateResult, Progress
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.check import Check
from airflow_batchscore.scoring.tally import SlowBlock

pytestmark = pytest.mark.unit

PROGRESS = Progress(
    try_number=2,
    started="2026-11-22T10:00:00+00:00",
    seconds=1.5,
    start_up=0.5,
    dataset="/in/{p}.csv",
    output="/staged",
    model="v1",
    engine="LocalDask, 2 threads",
    workers=2,
    memory=1 << 30,
    blocks=3,
    blocks_total=9,
    account=Account(30, 28, 1, 1),
    rows_before=10,
    done=[[0, 4]],
    current=[5],
    slowest=[SlowBlock("p=1", 3, 10, 0.5)],
)
VALUES: list[Any] = [
    PROGRESS,
    Failure(1, "InputError", "no such column", False),
    GateResult([Check("models", "1", "1"), Check("parts", "1", "2", "one is gone")]),
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
