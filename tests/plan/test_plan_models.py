"""What the rows of a run are scored with, as it travels from the plan to the tasks."""

from __future__ import annotations

import json

import pytest

from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import (
    ChampionAndChallenger,
    Chosen,
    ModelByColumn,
    ModelPerPartition,
    Models,
    OneModel,
    models_from_dict,
)

pytestmark = pytest.mark.unit

FIRST = ModelRef("/m/v1", "d" * 64)
SECOND = ModelRef("/m/v2", "e" * 64, "prod", "f" * 64)
SKIPPED = Chosen(None, "skipped", "missing")
PER_PARTITION = ModelPerPartition(
    {"p=1": Chosen(FIRST), "p=2": SKIPPED, "p=3": Chosen(SECOND, "fallback", "stale")}, FIRST
)
PAIR = ChampionAndChallenger(FIRST, SECOND)
BY_COLUMN = ModelByColumn("s", {"7": Chosen(FIRST), "": SKIPPED}, Chosen(SECOND, "fallback", "missing"))


@pytest.mark.parametrize("models", [OneModel(SECOND), PAIR, PER_PARTITION, BY_COLUMN, ModelByColumn("s", {})])
def test_each_comes_back_from_json_as_it_was(models: Models) -> None:
    assert models_from_dict(json.loads(json.dumps(models.to_dict()))) == models


@pytest.mark.parametrize(
    ("models", "pinned"),
    [
        (OneModel(FIRST), [FIRST]),
        (PAIR, [FIRST, SECOND]),
        (PER_PARTITION, [FIRST, SECOND, FIRST]),
        (BY_COLUMN, [FIRST, SECOND]),
        (ModelByColumn("s", {"7": Chosen(FIRST)}, SKIPPED), [FIRST]),
        (ModelByColumn("s", {"7": Chosen(FIRST)}), [FIRST]),
    ],
)
def test_every_model_that_a_task_may_load_is_pinned_and_no_other(models: Models, pinned: list[ModelRef]) -> None:
    assert models.pinned == pinned


def test_a_task_gets_the_models_of_its_partitions_alone() -> None:
    part = PER_PARTITION.only(["p=2"])
    assert part == ModelPerPartition({"p=2": SKIPPED}, FIRST)
    assert part.pinned == [FIRST]  # whose columns a partition without a model has
    assert OneModel(FIRST).only(["p=2"]) == OneModel(FIRST)
    assert BY_COLUMN.only(["p=2"]) == BY_COLUMN
    assert PAIR.only(["p=2"]) == PAIR


def test_the_order_of_values_is_kept() -> None:
    choices = {text: Chosen(FIRST) for text in ("10", "9", "b", "a", "")}
    again = models_from_dict(json.loads(json.dumps(ModelByColumn("s", choices).to_dict(), sort_keys=True)))
    assert isinstance(again, ModelByColumn)
    assert list(again.choices) == list(choices)


def test_a_note_says_why_a_model_is_not_its_own() -> None:
    assert [choice.note for choice in (SKIPPED, Chosen(SECOND, "fallback", "too_new"))] == [
        "missing, skipped",
        "too_new, fallback",
    ]
