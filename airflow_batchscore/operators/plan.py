"""`PlanPartitionsOperator`: what a run scores."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.base import BatchScoreOperator, as_number, if_given
from airflow_batchscore.operators.places import DATASET, Place

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import Partition, PartitionedDataset
    from airflow_batchscore.plan.entry import PlanEntry
    from airflow_batchscore.plan.models import Models, NoModel
    from airflow_batchscore.plan.policy import ModelPolicy


class PlanPartitionsOperator(BatchScoreOperator):
    """Find or check the partitions, pin the model, and pack small partitions; scoring is mapped over the result.

    An alias is resolved here, once, so that every partition of the run is scored with the same version. Every byte of
    the models is verified, so a damaged model stops the run before its tasks start.

    Args:
        dataset: what to score.
        partitions: a list, ``"2000..2016"``, ``"2026-01-30..2026-02-02"``, ``"2026-*"``, JSON text from a trigger form,
            or None for all existing ones; see docs/how-to/choose-partitions.md. Templated.
        model: ``"<uri>@<alias>"``, ``"<uri>/<version>"`` or what `TrainOperator` returned; None for
            `ScorePartitionOperator(function=...)`. If it contains fields of the dataset
            (``"<uri>/{device}@champion"``), each partition has its own model. If it contains another field
            (``"<uri>/{sensor_id}@champion"``), each value of that column has its own model, and all existing models are
            pinned together. A list of two is the champion and its challenger: both score, one reading of the data
            serves both, and only the champion's scores are published. Templated.
        model_policy: what to do when the model of a partition or value is missing, damaged, too old or too new;
            default: fail. See `ModelPolicy`.
        max_tasks: maximum number of mapped tasks; default: Airflow's ``[core] max_map_length``. Above it partitions
            share tasks. Templated.
        pack_bytes: pack small partitions together until a task has about this many bytes. Templated.
        resources_for: function of a partition (its ``values``, ``key`` and ``size`` in bytes), or its import path, that
            names the kind of worker the partition needs. The name appears as ``resources`` in the entries, and
            partitions of different kinds never share a task; see docs/operations.md for scoring tasks on different
            workers.
        max_volume_change: how many times larger or smaller (in bytes) than usual a partition may be, such as ``3``: the
            plan fails before anything is paid for. Usual is the median of up to 30 partitions before it; of a plan of
            all partitions, the newest is looked at. Without a limit, an unusual size or a late arrival is a warning in
            the log, in the verdict of `CheckScoresOperator`, in the report and of the notifier. Templated.
        plan_uri: folder for the partition lists of tasks with more than 20 partitions; XCom then carries references to
            them. Without it, a plan of very many partitions is a very long XCom that every task reads. Templated.
        estimate: True predicts what scoring will take before it begins: time, memory, and with a price the cost. A
            sample is scored with the settings of the one `ScorePartitionOperator` that comes after the plan, and
            thrown away. It costs at most 2 % of the run's time, or a few seconds; a number such as ``0.1`` allows
            another share. The log says what is predicted, and the page of the run and its report compare it with what
            it took. Not for datasets with `partition_by`. See docs/how-to/plan-before-you-pay.md.
        price_per_core_hour: of a worker's core, in the currency of your choice. Templated.
        max_cost, max_seconds: what scoring may be predicted to cost, and to take; above it the plan fails, and nothing
            is scored. Templated.
        parallel_tasks: scoring tasks that run at once, where a pool or the number of workers allows fewer than
            Airflow's settings and the DAG do. Templated.
        conn_id: connection for the model's storage. Templated.
        plan_conn_id: connection for `plan_uri`; default: `conn_id`. Templated.

    Returns:
        A list to expand `ScorePartitionOperator` over. Each entry carries the plan's ``generation`` (ns since 1970): of
        two publications, the one planned later, by the workers' clocks, is newer. Entries are sealed for the run: a
        task refuses an altered entry.

    Fails at once when a partition is missing or named twice, or when a model does not exist or is damaged and
    `model_policy` offers no alternative.
    """

    template_fields: Sequence[str] = (
        "dataset",
        "partitions",
        "model",
        "model_policy",
        "max_tasks",
        "pack_bytes",
        "max_volume_change",
        "plan_uri",
        "price_per_core_hour",
        "max_cost",
        "max_seconds",
        "parallel_tasks",
        "conn_id",
        "plan_conn_id",
    )
    places = (
        DATASET,
        Place("model", "conn_id", "model"),
        Place("model_policy.fallback", "conn_id", "model"),
        Place("plan_uri", "plan_conn_id", "write", writes="0.json", default_conn="conn_id"),
    )

    def __init__(
        self,
        *,
        dataset: PartitionedDataset,
        partitions: object = None,
        model: object = None,
        model_policy: ModelPolicy | None = None,
        max_tasks: int | str | None = None,
        pack_bytes: int | str | None = None,
        resources_for: Callable[[Partition], str] | str | None = None,
        max_volume_change: float | str | None = None,
        plan_uri: str | None = None,
        estimate: bool | float = False,
        price_per_core_hour: float | str | None = None,
        max_cost: float | str | None = None,
        max_seconds: float | str | None = None,
        parallel_tasks: int | str | None = None,
        conn_id: str | None = None,
        plan_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = copy.copy(dataset)
        self.partitions = partitions
        self.model = model
        self.model_policy = copy.copy(model_policy)
        self.max_tasks = max_tasks
        self.pack_bytes = pack_bytes
        self.resources_for = resources_for
        self.max_volume_change = max_volume_change
        self.plan_uri = plan_uri
        self.estimate = estimate
        self.price_per_core_hour = price_per_core_hour
        self.max_cost = max_cost
        self.max_seconds = max_seconds
        self.parallel_tasks = parallel_tasks
        self.conn_id = conn_id
        self.plan_conn_id = plan_conn_id
        self._require_possible()
        self.reads_data()
        self.reads_models("model")

    def _require_possible(self) -> None:
        """Refuse, where the DAG is read, limits that nothing would be compared with, and what cannot be estimated."""
        share = self.estimate
        if not isinstance(share, (bool, int, float)) or not 0 <= share <= 1:
            raise InputError(f"estimate={share!r}: give True, or the share of the run that the sample may cost (0.02)")
        if share and self.dataset.table is None:  # of a table, only a look at it tells
            from airflow_batchscore.plan.estimate import require_files_apart

            require_files_apart(self.dataset.partition_by)
        needing = ("price_per_core_hour", "max_cost", "max_seconds", "parallel_tasks")
        given = [name for name in needing if getattr(self, name) is not None]
        if given and not share:
            raise InputError(f"{', '.join(given)}: only an estimate uses this; add estimate=True")
        if self.max_cost is not None and self.price_per_core_hour is None:
            raise InputError("max_cost= needs a price: add price_per_core_hour=")

    def run_stage(self, context: Context) -> list[JsonObject]:
        from airflow.sdk import conf

        from airflow_batchscore.connections import connect_dataset
        from airflow_batchscore.data.shared_files import inputs_of
        from airflow_batchscore.data.storage import Location
        from airflow_batchscore.data.tables.table_dataset import TableDataset
        from airflow_batchscore.data.unlabelled import unlabelled
        from airflow_batchscore.model.functions import import_path
        from airflow_batchscore.operators.outcome import planned
        from airflow_batchscore.operators.planned_models import given_models, names_of
        from airflow_batchscore.operators.stored_lists import shortened
        from airflow_batchscore.plan.choose import plan_models
        from airflow_batchscore.plan.packing import make_plan, requested_partitions
        from airflow_batchscore.plan.unusual import as_list, unusual

        generation = time.time_ns()
        dataset = connect_dataset(self.dataset)
        model, access = given_models(self, context)
        version = str(dataset.version or "")
        if version:
            self.log.info("%s: version %s of the table", dataset.uri, version)
        inputs = inputs_of(dataset)  # before its partitions are, which may be made of rows
        every = dataset.discover()
        partitions = requested_partitions(dataset, self.partitions, every)
        notices = unusual(every, partitions, self._max_change(), terms=dataset.terms)
        if texts := unlabelled(dataset, partitions):
            notices.setdefault(partitions[0].key, []).extend(texts)
        for text in as_list(notices):
            self.log.warning("%s", text)
        self.outcome = planned(dataset.uri, partitions, names_of(model), as_list(notices), version or None)
        models = plan_models(model, dataset, partitions, self.model_policy, access)
        chosen, pack_bytes = self.resources_for, if_given(self.pack_bytes)
        plan = make_plan(
            partitions,
            models,
            max_tasks=as_number(if_given(self.max_tasks, conf.getint("core", "max_map_length")), "max_tasks", int),
            pack_bytes=None if pack_bytes is None else as_number(pack_bytes, "pack_bytes", int),
            resources_for=import_path(chosen) if isinstance(chosen, str) else chosen,
            generation=generation,
            dataset=self.dataset.uri,
            version=dataset.seen.pinned if isinstance(dataset, TableDataset) else "",
            inputs=inputs,
            notices=notices,
        )
        self.log.info("%s in %s", number_of(len(partitions), "partition"), number_of(len(plan), "task"))
        if self.estimate:
            self._estimate(plan, partitions, models, context)
        lists = Location(self.plan_uri, self.plan_conn_id or self.conn_id) if self.plan_uri is not None else None
        return [self.handed_on(shortened(entry.to_dict(), lists), "plan", context) for entry in plan]

    def _max_change(self) -> float | None:
        given = if_given(self.max_volume_change)
        return None if given is None else as_number(given, "max_volume_change", float)

    def _estimate(
        self, plan: Sequence[PlanEntry], partitions: Sequence[Partition], models: Models | NoModel, context: Context
    ) -> None:
        """Raises GateError if scoring would take longer, or cost more, than it may."""
        from airflow_batchscore.operators.estimating import ESTIMATE_KEY, estimated
        from airflow_batchscore.scoring.estimate import DEFAULT_SHARE

        price, max_cost, max_seconds = (
            self._limit(name) for name in ("price_per_core_hour", "max_cost", "max_seconds")
        )
        if max_cost is not None and price is None:
            raise InputError(f"max_cost={max_cost:g} needs a price, and price_per_core_hour= is empty in this run")
        lanes = if_given(self.parallel_tasks)
        found = estimated(
            self,
            plan,
            partitions,
            models,
            context,
            share=DEFAULT_SHARE if self.estimate is True else float(self.estimate),
            price_per_core_hour=price,
            parallel_tasks=None if lanes is None else as_number(lanes, "parallel_tasks", int),
        )
        for sentence in found.sentences():
            self.log.info("%s", sentence)
        context["ti"].xcom_push(ESTIMATE_KEY, self.handed_on(found.to_dict(), "estimate", context))
        found.require_within(max_seconds, max_cost)

    def _limit(self, name: str) -> float | None:
        """A number from 0; None if it was not given."""
        value = if_given(getattr(self, name))
        number = None if value is None else as_number(value, name, float)
        if number is not None and not 0 <= number < math.inf:
            raise InputError(f"{name}={value!r}: give a number from 0")
        return number
