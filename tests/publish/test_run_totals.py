"""The figures of a run, added up from what its tasks returned."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import ChampionAndChallenger
from airflow_batchscore.publish.run_totals import RunTotals, models_named
from airflow_batchscore.publish.verdict import Figures
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.scored import ScoredPartition

pytestmark = pytest.mark.unit


def _scored(p: int, *, reused: bool = False) -> ScoredPartition:
    return ScoredPartition({"p": str(p)}, "/m", "d", "d/r", 1, reused, Account(10, 7, 2, 1), 1.0, 10)


def _score(*partitions: ScoredPartition) -> dict[str, Any]:
    return {"label": "p", "manifests": [partition.to_dict() for partition in partitions]}


def test_what_tasks_scored_is_added_up_and_what_was_reused_has_no_speed() -> None:
    first, second = (
        RunTotals.of_score(_score(_scored(1), _scored(2, reused=True))),
        RunTotals.of_score(_score(_scored(3))),
    )
    assert first is not None
    assert second is not None
    assert first + second == RunTotals(3, 30, 20, 6, 3, None)
    assert (first + second).shown(10)["rows_per_second"] == 2
    assert first.shown(None)["rows_per_second"] is None
    assert RunTotals.of_score(_score(_scored(1, reused=True))).shown(10)["rows_per_second"] is None  # type: ignore[union-attr]


def test_a_list_that_lies_in_a_file_is_not_read() -> None:
    assert RunTotals.of_score({"label": "p", "manifests": {"list": "/x.json", "items": 99}}) is None


def test_a_gates_figures_survive_the_way_through_xcom() -> None:
    figures = Figures(2, Account(20, 14, 4, 2), 0.25, 0, 0)
    totals = RunTotals.of_check(figures, [_scored(1), _scored(2, reused=True)])
    assert totals == RunTotals(2, 20, 10, 4, 2, 0.25)
    assert RunTotals.from_dict(totals.to_dict() | {"task": ["check", -1]}) == totals
    assert (totals + RunTotals(1, 5, None, None, None, 0.5)) == RunTotals(3, 25, None, None, None, 0.5)
    endless = Figures(2, Account(20, 14, 4, 2), float("inf"), 0, 0)
    assert RunTotals.of_check(endless, []).drift is None


def test_a_plans_models_in_a_word() -> None:
    assert models_named(None) is None
    assert models_named({"kind": "one", "model": {"uri": "/m/v1", "digest": "d"}}) == "v1"
    both = ChampionAndChallenger(ModelRef("/m/v1", "d"), ModelRef("/m/v2", "d"))
    assert models_named(both.to_dict()) == "v1, challenged by v2"
    assert models_named({"kind": "per partition", "choices": []}) == "one for each partition"
    assert models_named({"kind": "by column", "column": "device", "choices": {}}) == "one for each device"
