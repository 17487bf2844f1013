"""`PlanPartitionsOperator`: what a run scores."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.operators.base import BatchScoreOperator, as_number
from airflow_batchscore.operators.places import DATASET, Place

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import Partition, PartitionedDataset
    from airflow_batchscore.model.choice import ModelPolicy


class PlanPartitionsOperator(BatchScoreOperator):
    """Find or check the partitions, pin the model, and pack small partitions; the list is mapped over.

    An alias is resolved here, once, so that every partition of the run is scored with one version. Every byte of the
    models is verified, so that a damaged one stops the run before its tasks start.

    Args:
        dataset: what to score.
        partitions: a list, ``"2000..2016"``, JSON text from a trigger form, or None for all there are. Templated.
        model: ``"<uri>@<alias>"``, ``"<uri>/<version>"`` or what `TrainOperator` returned; None for
            `ScorePartitionOperator(function=...)`. With fields of the data set in it (``"<uri>/{device}@champion"``)
            each partition has a model of its own. With another field (``"<uri>/{sensor_id}@champion"``) each value of
            that column has, and the models that are there are pinned together. Templated.
        model_policy: what to do where a model of one's own is missing, damaged, too old or too new; default: fail.
            See `ModelPolicy`.
        max_tasks: most tasks to map; default: Airflow's ``[core] max_map_length``. Above it partitions share tasks.
            Templated.
        pack_bytes: put small partitions together until a task has about this many bytes. Templated.
        resources_for: function of a partition (its ``values``, ``key`` and ``size`` in bytes), or the import path of
            one, that names the kind of worker it needs. It stands in ``resources`` of the entries, and partitions of
            two kinds share no task; see docs/operations.md for scoring tasks on different workers.
        plan_uri: folder for the lists of tasks that have more than 20 partitions; XCom then carries references to
            them. Without it a plan of very many partitions is a very long XCom, which every task reads. Templated.
        conn_id: connection for the model's storage. Templated.
        plan_conn_id: connection for `plan_uri`; default: `conn_id`. Templated.

    Returns:
        A list to expand `ScorePartitionOperator` over. Each entry carries the plan's ``generation`` (ns since 1970):
        of two publications the one that was planned later, by the clocks of the workers, is the newer one. Entries are
        sealed for the run: a task that is handed an altered one refuses it.

    Fails at once when a partition is not there, is named twice, or a model does not exist or is damaged and
    `model_policy` has no way out.
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
        partitions: Any = None,
        model: Any = None,
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

    def run_stage(self, context: Context) -> list[dict[str, Any]]:
        from airflow.sdk import conf

        from airflow_batchscore.connections import connect_dataset
        from airflow_batchscore.model.functions import import_path
        from airflow_batchscore.operators.lists import shortened
        from airflow_batchscore.operators.planned_models import planned_models
        from airflow_batchscore.operators.trust import model_trust
        from airflow_batchscore.scoring.plan import make_plan

        generation = time.time_ns()
        dataset = connect_dataset(self.dataset)
        trust = model_trust(self, context, *(place.field for place in self.places if place.use == "model"))
        models = planned_models(self.model_given("model", context), self.model_policy, dataset, self.conn_id, trust)
        chosen = self.resources_for
        plan = make_plan(
            dataset,
            self.partitions,
            models.ref,
            max_tasks=as_number(self.max_tasks or conf.getint("core", "max_map_length"), "max_tasks", int),
            pack_bytes=as_number(self.pack_bytes, "pack_bytes", int) if self.pack_bytes else None,
            resources_for=import_path(chosen) if isinstance(chosen, str) else chosen,
            choose=models.choose,
        )
        count = sum(len(entry["partitions"]) for entry in plan)
        self.log.info("%d partitions in %d tasks, model %s", count, len(plan), models.name or "none")
        where = (self.plan_uri, self.plan_conn_id or self.conn_id)
        by_column = models.by_column
        if by_column is not None:
            by_column = {**by_column, "choices": shortened(by_column["choices"], *where)}
        for place, entry in enumerate(plan):
            entry |= {"generation": generation, "place": [place, len(plan)]}
            entry["partitions"] = shortened(entry["partitions"], *where)
            entry["files"] = shortened(entry["files"], *where)
            if "choices" in entry:
                entry["choices"] = shortened(entry["choices"], *where)
            if by_column is not None:
                entry["models"] = by_column
        return [self.handed_on(entry, "plan", context) for entry in plan]
