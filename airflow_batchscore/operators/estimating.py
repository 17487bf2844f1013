"""The estimate of a plan: what its scoring tasks would do, found in the DAG, and tried on a sample.

It travels in an XCom of the plan's task that is sealed, and only shown.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_batchscore.errors import BatchScoreError, InputError
from airflow_batchscore.operators.authored import as_written, dag_of, kind_of
from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.operators.slots import most_at_once, task_slots

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_batchscore.data.dataset import Partition
    from airflow_batchscore.operators.base import BatchScoreOperator
    from airflow_batchscore.operators.score import ScorePartitionOperator
    from airflow_batchscore.plan.entry import PlanEntry
    from airflow_batchscore.plan.estimate import Estimate
    from airflow_batchscore.plan.models import Models, NoModel

log = logging.getLogger(__name__)

#: Of the XCom.
ESTIMATE_KEY = "batchscore_estimate"
#: What a task took to start, if it says more: its worker was suspended, or the clock was set.
_LONGEST_START = 120.0


def estimated(
    plan: BatchScoreOperator,
    entries: Sequence[PlanEntry],
    partitions: Sequence[Partition],
    models: Models | NoModel,
    context: Context,
    *,
    share: float,
    price_per_core_hour: float | None,
    parallel_tasks: int | None,
) -> Estimate:
    """What the scoring tasks that are mapped over this plan will take.

    Raises:
        InputError: there is not exactly one scoring task after the plan, or an argument of it is known only later.
    """
    from airflow_batchscore.connections import connect_engine
    from airflow_batchscore.engine.local import LocalDask
    from airflow_batchscore.operators.asked import Asked
    from airflow_batchscore.operators.environments import interpreter
    from airflow_batchscore.operators.scoring_jobs import scoring_job
    from airflow_batchscore.scoring.estimate import estimate

    task_seconds = _seconds_to_start(context)
    operator = _as_it_runs(_scoring_task(plan), context)
    version = entries[0].version if entries else ""
    job = scoring_job(operator, models, {}, context, Asked(None, None), version)
    engine = connect_engine(operator.engine or LocalDask())
    by_key = {partition.key: partition for partition in partitions}
    return estimate(
        job,
        [[by_key[key] for key in entry.keys] for entry in entries],
        engine,
        python=interpreter(operator, engine.elsewhere),
        slots=task_slots(operator, mapped=len(entries)),
        parallel_tasks=most_at_once(operator, len(entries)) if parallel_tasks is None else parallel_tasks,
        task_seconds=task_seconds,
        share=share,
        price_per_core_hour=price_per_core_hour,
    )


def _scoring_task(plan: BatchScoreOperator) -> BaseOperator | MappedOperator:
    """The scoring task after the plan."""
    from airflow_batchscore.operators.score import ScorePartitionOperator

    after = as_written(plan).get_flat_relatives(upstream=False) if dag_of(plan) else []
    found = sorted(
        (task for task in after if issubclass(kind_of(task), ScorePartitionOperator)), key=lambda task: task.task_id
    )
    if len(found) != 1:
        names = ", ".join(task.task_id for task in found) or "there is none"
        raise InputError(
            f"estimate: exactly one ScorePartitionOperator must come after {plan.task_id}, because its settings are "
            f"those that are tried ({names}). Give each scoring task a plan of its own, or plan without an estimate"
        )
    return found[0]


def _as_it_runs(task: BaseOperator | MappedOperator, context: Context) -> ScorePartitionOperator:
    """The scoring operator with its arguments rendered and checked, as in its own task; its partition is left out."""
    if isinstance(task, MappedOperator):
        expanded = set(_expanded(task))
        if expanded != {"partition"}:
            others = ", ".join(sorted(expanded - {"partition"})) or "expand_kwargs()"
            raise InputError(
                f"estimate: {task.task_id} must be mapped over the plan alone, and not over {others}, which are not "
                "known when the run is planned. Give them in partial(), or plan without an estimate"
            )
        operator: ScorePartitionOperator = task.unmap({"partition": {}})  # type: ignore[assignment]
    else:
        operator = copy.copy(task)  # type: ignore[assignment]
        operator.partition = {}
    operator.render_template_fields(context)
    operator._leave_out_nothing()
    operator.require_authored(context)
    return operator


def _expanded(task: MappedOperator) -> Sequence[str]:
    value: object = task._get_specified_expand_input().value
    return list(value) if isinstance(value, Mapping) else []


def _seconds_to_start(context: Context) -> float:
    """How long this task took from its start until now: its scoring tasks will take as long."""
    started = getattr(context["ti"], "start_date", None)
    if not isinstance(started, datetime):
        return 0.0
    return min(max((datetime.now(UTC) - started).total_seconds(), 0.0), _LONGEST_START)


def estimate_before(operator: BatchScoreOperator, context: Context) -> Estimate | None:
    """The estimate of the plan that came before this task; None if there is none, or not exactly one."""
    from airflow_batchscore.operators.base import run_name
    from airflow_batchscore.operators.plan import PlanPartitionsOperator
    from airflow_batchscore.plan.estimate import Estimate

    before = as_written(operator).get_flat_relatives(upstream=True) if dag_of(operator) else []
    plans = [task for task in before if isinstance(task, PlanPartitionsOperator) and task.estimate]
    if len(plans) != 1:
        return None
    task_id = plans[0].task_id
    try:
        value = context["ti"].xcom_pull(task_ids=task_id, key=ESTIMATE_KEY)
        if value is None:
            return None
        return Estimate.from_dict(unseal("the estimate", value, "estimate", run_name(context), {task_id}))
    except BatchScoreError as error:  # nothing but a line of the report depends on it
        log.warning("the report shows no estimate: %s", error)
        return None
