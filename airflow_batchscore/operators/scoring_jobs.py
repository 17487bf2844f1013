"""What a `ScorePartitionOperator` asks of `scoring`: its arguments, rendered and checked, as a `ScoringJob`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.base import as_bool, as_mapping, as_number, if_given, run_name

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.model.trust import Trust
    from airflow_batchscore.operators.asked import Asked
    from airflow_batchscore.operators.score import ScorePartitionOperator
    from airflow_batchscore.plan.models import Models, NoModel
    from airflow_batchscore.scoring.job import ScoredWith, ScoringJob


def scoring_job(
    operator: ScorePartitionOperator,
    models: Models | NoModel,
    files: Mapping[str, int],
    context: Context,
    asked: Asked,
    version: str = "",
    inputs: str = "",
) -> ScoringJob:
    """What the operator does to partitions of a plan; its connections are usable afterwards.

    Args:
        models: of the plan.
        files, inputs: see `ScoringJob`.
        asked: what a page asked of the task.
        version: of the table that was planned; empty if the dataset is no table.
    """
    from airflow_batchscore.connections import connect, connect_dataset
    from airflow_batchscore.data.storage import Location
    from airflow_batchscore.model.outputs import OutputSpec
    from airflow_batchscore.model.recipe import column_names
    from airflow_batchscore.operators.trust import configured_trust
    from airflow_batchscore.quality.quarantine import Limit
    from airflow_batchscore.scoring.job import DEFAULT_BLOCK_ROWS, DEFAULT_LIMIT, FunctionJob, ScoringJob, scored_with

    function = FunctionJob.of(
        operator.function, operator.group_by, operator.columns, operator.output_types, operator.row_wise
    )
    trust, work = configured_trust(), scored_with(models, function)
    _connect_models(operator, work, trust)
    output = connect(Location(operator.output_uri, operator.conn_id))
    return ScoringJob(
        dataset=connect_dataset(replace(operator.dataset, version=version) if version else operator.dataset),
        scored_with=work,
        output_uri=output.uri,
        spec=OutputSpec.of(operator.method, as_mapping(operator.outputs), as_mapping(operator.flags)),
        keys=None if operator.keys is None else column_names(operator.keys, "keys"),
        block_rows=as_number(if_given(operator.block_rows, DEFAULT_BLOCK_ROWS), "block_rows", int),
        limit=DEFAULT_LIMIT if operator.quarantine is None else Limit.of(operator.quarantine),
        allow_nan=operator.allow_nan,
        allow_empty=operator.allow_empty,
        token=_token(operator, context, asked),
        replay=as_bool(operator.replay_quarantined) or asked.replay is not None,
        trusted_types=trust.types,
        files=files,
        inputs=inputs,
        conn_id=output.conn_id,
    )


def _token(operator: ScorePartitionOperator, context: Context, asked: Asked) -> str | None:
    """Forced once per run, and once more for each request."""
    if asked.force is not None:
        return f"{run_name(context)}, {asked.force}"
    return run_name(context) if as_bool(operator.force) else None


def _connect_models(operator: ScorePartitionOperator, models: ScoredWith, trust: Trust) -> None:
    """Make the pinned models usable. The plan is sealed; model signatures are checked on use."""
    from airflow_batchscore.connections import connect
    from airflow_batchscore.data import storage
    from airflow_batchscore.model.reference import require_trusted

    pinned, column, wanted = models.pinned, models.column, operator.model_by
    if not pinned:
        return
    if wanted not in (None, column):
        raise InputError(
            f"model_by={wanted!r}, but the plan's model has the field {{{column}}}"
            if column
            else f"model_by={wanted!r}: the plan's model needs a field of that name, '<uri>/{{{wanted}}}@<alias>'"
        )
    for ref in {(storage.split_scheme(ref.uri)[0], ref.conn_id): ref for ref in pinned}.values():
        connect(ref.location)
    storage.each(lambda ref: require_trusted(ref, trust), pinned, pinned[0].uri)


def named(work: ScoredWith) -> str:
    """The model's version, those of champion and challenger, of several their number, or the function's path."""
    from airflow_batchscore.plan.models import ChampionAndChallenger
    from airflow_batchscore.scoring.job import FunctionJob

    if isinstance(work, ChampionAndChallenger):
        return work.named
    if isinstance(work, FunctionJob):
        return work.function.path
    versions = {ref.uri: ref.version for ref in work.pinned}
    return next(iter(versions.values())) if len(versions) == 1 else f"{len(versions)} models"
