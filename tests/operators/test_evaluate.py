"""A decayed model raises an event, one that still fits does not, and neither fails the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors
from operator_calls import executed
from support import Small, good_rows

from airflow_batchscore import Recipe
from airflow_batchscore.model.reference import set_alias
from airflow_batchscore.operators import EvaluateOperator

pytestmark = pytest.mark.dag

DECAYED = Asset("price model")


@pytest.fixture
def data(fresh: Small) -> Small:
    fresh.add(1, good_rows(50, 1000))
    fresh.add(2, [(n, a, b, 1 - label) for n, a, b, label in good_rows(50, 2000)])
    return fresh


def _evaluated(data: Small, partition: int, **options: Any) -> tuple[dict[str, Any], list[Any]]:
    """What the task returns, and the events that it raises."""
    operator = EvaluateOperator(
        task_id="watch",
        **{
            "model": data.model.uri,
            "dataset": data.dataset,
            "partitions": [partition],
            "require": {"accuracy": ">=0.9*baseline"},
            "decayed": DECAYED,
            **options,
        },
    )
    events = OutletEventAccessors()
    returned = executed(operator, outlet_events=events)
    return returned, [event for alias in operator.outlets for event in events[alias].asset_alias_events]


def test_a_model_that_still_fits_raises_no_event(data: Small) -> None:
    returned, events = _evaluated(data, 1)
    assert (returned["decayed"], returned["problems"], events) == (False, [], [])
    assert (returned["model"], returned["rows"]) == (data.model.uri, 50)


def test_a_decayed_model_raises_an_event_with_its_metrics(data: Small) -> None:
    returned, (event,) = _evaluated(data, 2)
    assert returned["decayed"]
    assert "accuracy is " in returned["problems"][0]
    assert event.dest_asset_key.name == DECAYED.name
    assert event.extra == returned
    assert len(list(Path(data.model.uri).glob("evaluations/*.json"))) == 1


def test_an_event_of_its_own_is_added_to_the_outlets_that_the_dag_gives(data: Small) -> None:
    other = Asset("other")
    for given in (other, [other]):
        operator = EvaluateOperator(
            task_id="watch",
            model=data.model.uri,
            dataset=data.dataset,
            partitions=[1],
            require={},
            decayed=DECAYED,
            outlets=given,
        )
        assert [outlet.name for outlet in operator.outlets] == ["other", "decayed price model"]


def test_without_an_asset_the_decay_is_in_what_it_returns(data: Small) -> None:
    returned, events = _evaluated(data, 2, decayed=None)
    assert (returned["decayed"], events) == (True, [])


def test_limits_may_be_text_and_labels_come_from_elsewhere(data: Small) -> None:
    recipe = Recipe(target=lambda rows: 1 - rows["label"], columns=["a", "b"])
    returned, _ = _evaluated(data, 2, require="{'mae': '<0.2'}", recipe=recipe, metrics=["mae"])
    assert (returned["decayed"], list(returned["metrics"])) == (False, ["mae"])


def test_a_model_that_cannot_be_named_or_measured_fails_the_task(data: Small) -> None:
    with pytest.raises(AirflowFailException, match="there is no alias 'champion'"):
        _evaluated(data, 1, model=f"{data.folder}/model@champion")
    set_alias(f"{data.folder}/model", "champion", data.model, 1)
    assert _evaluated(data, 1, model=f"{data.folder}/model@champion")[0]["version"] == data.model.version
    with pytest.raises(AirflowFailException, match="write a comparison and a number"):
        _evaluated(data, 1, require={"accuracy": "good"})


def test_an_evaluation_is_written_only_where_tasks_may_write(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__OUTPUT_URIS", "/elsewhere")
    with pytest.raises(AirflowFailException, match=r"the evaluation of model .* lies in none of .*output_uris"):
        _evaluated(data, 1)
    assert not list(Path(data.model.uri).glob("evaluations/*"))
