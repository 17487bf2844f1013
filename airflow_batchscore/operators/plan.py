"""`PlanPartitionsOperator`: what a run scores."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.operators.base import BatchScoreOperator, as_mapping

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import Partition, PartitionedDataset


class PlanPartitionsOperator(BatchScoreOperator):
    """Find or check the partitions, pin the model, and pack small partitions; the list is mapped over.

    An alias is resolved here, once, so that every partition of the run is scored with one version.

    Args:
        dataset: what to score.
        partitions: a list, ``"2000..2016"``, JSON text from a trigger form, or None for all there are. Templated.
        model: ``"<uri>@<alias>"``, ``"<uri>/<version>"`` or what `TrainOperator` returned. Templated.
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
        A list to expand `ScorePartitionOperator` over.

    Fails at once when a partition is not there, is named twice, or the model does not exist.
    """

    template_fields: Sequence[str] = (
        "dataset",
        "partitions",
        "model",
        "max_tasks",
        "pack_bytes",
        "plan_uri",
        "conn_id",
        "plan_conn_id",
    )

    def __init__(
        self,
        *,
        dataset: PartitionedDataset,
        partitions: Any = None,
        model: Any,
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
        self.max_tasks = max_tasks
        self.pack_bytes = pack_bytes
        self.resources_for = resources_for
        self.plan_uri = plan_uri
        self.conn_id = conn_id
        self.plan_conn_id = plan_conn_id

    def run_stage(self, context: Context) -> list[dict[str, Any]]:
        from airflow.sdk import conf

        from airflow_batchscore.connections import connect, connect_dataset
        from airflow_batchscore.model.functions import import_path
        from airflow_batchscore.model.reference import resolve
        from airflow_batchscore.operators.lists import shortened
        from airflow_batchscore.operators.trust import configured_trust
        from airflow_batchscore.scoring.plan import make_plan

        model = as_mapping(self.model)
        conn_id = connect(model if isinstance(model, str) else model["model"], self.conn_id)
        ref = resolve(model, conn_id, configured_trust())
        chosen = self.resources_for
        plan = make_plan(
            connect_dataset(self.dataset),
            self.partitions,
            ref,
            max_tasks=int(self.max_tasks or conf.getint("core", "max_map_length")),
            pack_bytes=int(self.pack_bytes) if self.pack_bytes else None,
            resources_for=import_path(chosen) if isinstance(chosen, str) else chosen,
        )
        count = sum(len(entry["partitions"]) for entry in plan)
        self.log.info("%d partitions in %d tasks, model %s (%s)", count, len(plan), ref.uri, ref.digest[:12])
        where = (self.plan_uri, self.plan_conn_id or self.conn_id)
        return [{**entry, "partitions": shortened(entry["partitions"], *where)} for entry in plan]
