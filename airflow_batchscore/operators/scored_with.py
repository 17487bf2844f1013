"""What the rows of a plan's entry are scored with: a model, one for each partition, one by a column, or a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.choice import Chosen
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.recipe import column_names
from airflow_batchscore.model.reference import ModelRef, require_trusted
from airflow_batchscore.operators.lists import full
from airflow_batchscore.operators.trust import configured_trust
from airflow_batchscore.scoring.by_column import save_set
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob

if TYPE_CHECKING:
    from airflow_batchscore.operators.score import ScorePartitionOperator


def scored_with(
    operator: ScorePartitionOperator, job: ScoringJob, entry: Mapping[str, Any], partitions: Sequence[Values]
) -> dict[str, Any]:
    """The fields of `job` that say it.

    Raises:
        InputError: the operator and the plan do not go together.
        ModelError: a model is not to be trusted.
    """
    if operator.function is not None:
        if entry["model"] or "choices" in entry or "models" in entry:
            raise InputError("function= stands in a model's place: leave model= out of PlanPartitionsOperator")
        columns = None if operator.columns is None else column_names(operator.columns, "columns")
        by = [operator.group_by] if isinstance(operator.group_by, str) else operator.group_by
        of, group_by = FunctionRef.of(operator.function), column_names(by, "group_by")
        return {"function": FunctionJob(of, group_by, columns, operator.output_types, operator.row_wise)}
    trust = configured_trust()
    found: dict[str, Any] = {"trusted_types": trust.types}
    if "choices" in entry:
        (choices,) = full([entry["choices"]])
        chosen = [Chosen.from_dict(choice) for choice in choices]
        keys = [partition_key(values) for values in partitions]
        found |= {"choices": dict(zip(keys, chosen, strict=True)), "like": ModelRef.from_dict(entry["like"])}
        pinned = [choice.model for choice in chosen if choice.model] + [found["like"]]
    elif "models" in entry:
        column = entry["models"]["column"]
        if operator.model_by not in (None, column):
            raise InputError(f"model_by={operator.model_by!r}, but the plan's model has the field {{{column}}}")
        (pairs,) = full([entry["models"]["choices"]])
        by_value = {value: Chosen.from_dict(choice) for value, choice in pairs}
        missing = entry["models"]["missing"]
        models = save_set(
            by_value,
            Chosen.from_dict(missing) if missing else None,
            storage.join(job.output_uri, "_models"),
            job.conn_id,
        )
        found |= {"models": models, "model_by": column}
        pinned = [choice.model for choice in by_value.values() if choice.model]
        pinned += [models.missing.model] if models.missing and models.missing.model else []
    elif entry["model"]:
        found["model"] = ModelRef.from_dict(entry["model"])
        pinned = [found["model"]]
    else:
        raise InputError(
            "the plan has no model: give PlanPartitionsOperator(model=...), or ScorePartitionOperator(function=...)"
        )
    if operator.model_by is not None and "models" not in found:
        raise InputError(
            f"model_by={operator.model_by!r}: the plan's model needs a field of that name, "
            f"'<uri>/{{{operator.model_by}}}@<alias>'"
        )
    for ref in {(storage.split_scheme(ref.uri)[0], ref.conn_id): ref for ref in pinned}.values():
        connect(ref.uri, ref.conn_id)
    # The plan is sealed; that a model is signed is looked at again, where it is used.
    storage.each(lambda ref: require_trusted(ref, ref.conn_id, trust), pinned, pinned[0].uri)
    return found
