"""What a job's rows are scored with: the models of the plan, or the function of the scoring task."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_batchscore.errors import InputError, RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import Chosen, ModelByColumn, ModelPerPartition, NoModel, OneModel
from airflow_batchscore.scoring.job import FunctionJob, scored_with

pytestmark = pytest.mark.unit

REF = ModelRef("/m/v1", "d" * 64)
FUNCTION = FunctionJob(FunctionRef("a:b"))
OF_A_PLAN = [
    OneModel(REF),
    ModelPerPartition({"p=1": Chosen(REF)}, REF),
    ModelByColumn("s", {"7": Chosen(None, "skipped", "stale"), "8": Chosen(REF)}),
]


@pytest.mark.parametrize("models", OF_A_PLAN)
def test_the_models_of_the_plan_leave_no_room_for_a_function(models: OneModel) -> None:
    assert scored_with(models, None) is models
    with pytest.raises(InputError, match="function= replaces the model: leave model= out of PlanPartitionsOperator"):
        scored_with(models, FUNCTION)


def test_a_plan_without_a_model_needs_a_function() -> None:
    assert scored_with(NoModel(), FUNCTION) is FUNCTION
    with pytest.raises(InputError, match=r"the plan has no model: give .*ScorePartitionOperator.function="):
        scored_with(NoModel(), None)


def test_every_way_to_score_says_which_models_it_may_load() -> None:
    every = [*OF_A_PLAN, FUNCTION]
    assert [{*models.pinned} for models in every] == [{REF}, {REF}, {REF}, set()]
    assert [models.column for models in every] == [None, None, "s", None]


def test_a_function_as_people_write_it() -> None:
    """For operators and for runs by hand: one way to read it, so that each reuses what the other has scored."""
    assert FunctionJob.of(None, "site", ["a"]) is None
    assert FunctionJob.of("a:b") == FUNCTION
    types = {"y": "double"}
    whole = FunctionJob(FunctionRef("a:b"), ("site",), ("v", "w"), types, row_wise=False)
    assert FunctionJob.of("a:b", "site", ["v", "w"], types, row_wise=False) == whole
    assert FunctionJob.of("a:b", ["site"], ("v", "w"), types, row_wise=False) == whole


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("b",), "'b' is not an import path"),
        (("a:b", (), "v"), r"columns='v': give a list, \['v'\]"),
        (("a:b", ["s", "s"]), r"group_by=.* stands there more than once"),
    ],
)
def test_a_function_that_is_written_wrongly_is_refused(arguments: Any, match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        FunctionJob.of(*arguments)
