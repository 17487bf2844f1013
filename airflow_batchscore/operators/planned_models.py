"""The models that a plan is given: one, or a list of a champion and its challenger, each as its author wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.connections import connect
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.reference import GivenModel
from airflow_batchscore.model.trust import ModelAccess
from airflow_batchscore.operators.authored import items_of
from airflow_batchscore.operators.trust import model_trust

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.operators.plan import PlanPartitionsOperator


def given_models(
    operator: PlanPartitionsOperator, context: Context
) -> tuple[GivenModel | list[GivenModel] | None, ModelAccess]:
    """The argument ``model``, as it was given, and how its models may be read.

    Raises:
        InputError: an item of a list is empty, or its items are read through different connections.
    """
    fields = items_of("model", operator.model)
    trust = model_trust(operator, context, *fields, "model_policy.fallback")
    given = [model for field in fields if (model := operator.model_given(field, context))]
    conn_ids = list(dict.fromkeys(connect(Location(model.name, operator.conn_id)).conn_id for model in given))
    access = ModelAccess(next(iter(conn_ids), None), trust)
    if fields == ["model"]:
        return next(iter(given), None), access
    if len(given) < len(fields):
        raise InputError(f"model={operator.model}: one of them names no model; give the champion and its challenger")
    if len(conn_ids) > 1:
        raise InputError(
            f"model={operator.model}: champion and challenger are read through one connection: keep both in one storage"
        )
    return given, access


def names_of(model: GivenModel | Sequence[GivenModel] | None) -> list[str]:
    """The names in what `given_models` returns."""
    if model is None:
        return []
    return [model.name] if isinstance(model, GivenModel) else [each.name for each in model]
