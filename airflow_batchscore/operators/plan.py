"""`PlanPartitionsOperator`: what a run scores."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.authored import items_of
from airflow_batchscore.operators.base import BatchScoreOperator, as_number, if_given
from airflow_batchscore.operators.places import DATASET, Place

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import Partition, PartitionedDataset
    from airflow_batchscore.plan.policy import ModelPolicy


class PlanPartitionsOperator(BatchScoreOperator):
    """Find or check the partitions, pin the model, and pack small partitions; scoring is mapped over the result.

    An alias is resolved here, once, so that every partition of the run is scored with the same version. Every byte of
    the models is verified, so a damaged model stops the run before its tasks start.

    Args:
        dataset: what to score.
        partitions: a list, ``"2000..2016"``, JSON text from a trigger form, or None for all existing ones. Templated.
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
        plan_uri: folder for the partition lists of tasks with more than 20 partitions; XCom then carries references to
            them. Without it, a plan of very many partitions is a very long XCom that every task reads. Templated.
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
        "plan_uri",
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
        plan_uri: str | None = None,
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
        self.plan_uri = plan_uri
        self.conn_id = conn_id
        self.plan_conn_id = plan_conn_id
        self.reads_data()
        self.reads_models("model")

    def run_stage(self, context: Context) -> list[JsonObject]:
        from airflow.sdk import conf

        from airflow_batchscore.connections import connect, connect_dataset
        from airflow_batchscore.data.storage import Location
        from airflow_batchscore.model.functions import import_path
        from airflow_batchscore.model.trust import ModelAccess
        from airflow_batchscore.operators.outcome import planned
        from airflow_batchscore.operators.stored_lists import shortened
        from airflow_batchscore.operators.trust import model_trust
        from airflow_batchscore.plan.choose import plan_models
        from airflow_batchscore.plan.packing import make_plan, requested_partitions

        generation = time.time_ns()
        dataset = connect_dataset(self.dataset)
        fields = items_of("model", self.model)
        trust = model_trust(self, context, *fields, "model_policy.fallback")
        given = [model for field in fields if (model := self.model_given(field, context))]
        if len(given) < len(fields) and fields != ["model"]:
            raise InputError(f"model={self.model}: one of them names no model; give the champion and its challenger")
        partitions = requested_partitions(dataset, self.partitions)
        conn_ids = list(dict.fromkeys(connect(Location(model.name, self.conn_id)).conn_id for model in given))
        if len(conn_ids) > 1:
            raise InputError(
                f"model={self.model}: champion and challenger are read through one connection: keep both in one storage"
            )
        access = ModelAccess(next(iter(conn_ids), None), trust)
        self.outcome = planned(dataset.uri, partitions, [model.name for model in given])
        models = plan_models(
            given if fields != ["model"] else next(iter(given), None), dataset, partitions, self.model_policy, access
        )
        chosen, pack_bytes = self.resources_for, if_given(self.pack_bytes)
        plan = make_plan(
            partitions,
            models,
            max_tasks=as_number(if_given(self.max_tasks, conf.getint("core", "max_map_length")), "max_tasks", int),
            pack_bytes=None if pack_bytes is None else as_number(pack_bytes, "pack_bytes", int),
            resources_for=import_path(chosen) if isinstance(chosen, str) else chosen,
            generation=generation,
            dataset=self.dataset.uri,
        )
        self.log.info("%d partitions in %d tasks", len(partitions), len(plan))
        lists = Location(self.plan_uri, self.plan_conn_id or self.conn_id) if self.plan_uri is not None else None
        return [self.handed_on(shortened(entry.to_dict(), lists), "plan", context) for entry in plan]
