"""`ScorePartitionOperator`: one mapped task per partition, or a pack of small ones."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.operators.base import BatchScoreOperator, as_bool, as_mapping, as_number, run_name
from airflow_batchscore.operators.places import DATASET, Place
from airflow_batchscore.operators.slots import task_slots

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import Context

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.engine.base import Engine
    from airflow_batchscore.quality.accounting import Account

#: Key under which a running task keeps its progress in Airflow's task state store.
PROGRESS_KEY = "batchscore_progress"
_PROGRESS_SECONDS = 2.0


class ScorePartitionOperator(BatchScoreOperator):
    """Score a partition block by block on the engine's workers and commit it by writing its manifest.

    Use ``ScorePartitionOperator.partial(...).expand(partition=plan.output)``.

    Args:
        dataset: what to score.
        partition: one entry of the plan.
        output_uri: where scores are staged; each partition has a folder below it. Templated.
        method: ``predict``, ``predict_proba``, ``predict_log_proba``, ``decision_function``, ``transform`` or
            ``score_samples``; or several, whose columns are then called after them. Templated.
        keys: columns that go with each prediction; default: those of the recipe. Templated.
        outputs: output columns to keep, such as ``["prediction_1"]`` of ``predict_proba``, or
            ``{"prediction_1": "probability"}`` to rename them; default: all. Templated.
        flags: truth values to add, such as ``{"anomaly": "decision_function<0"}``. Templated.
        model_by: column whose values have models of their own, where the plan's ``model`` has a field of that name.
        function: in place of a model, a function DataFrame -> DataFrame, or the import path of one. It may drop rows
            (skipped) and make several of one, but keeps the index, and looks at each row alone. The plan then needs no
            model.
        group_by: columns; the function is called with each group of a partition, whole. Its result may have any rows;
            they come with the group's values. Memory holds the largest group.
        columns: of the data that the function is given, exactly these; default: all. Keys and the columns of
            ``group_by`` go with what it gives, whether it sees them or not. Templated.
        output_types: column -> Arrow type (``"double"``, ``"int64"``, ``"string"``, ``"bool"``) of what the function
            gives, others are left out; default: found out by calling it with the first rows of a partition, and a
            column that it gives only later is an error.
        row_wise: False for a function that looks at a whole partition: it is then called once with all of its rows,
            memory must hold them, and a row that cannot be scored fails the partition. With a model the recipe says
            it: ``Recipe(row_wise=False)``.
        engine: where blocks are scored; default ``LocalDask()``. See `DaskCluster` and `Spark`.
        block_rows: rows of a block (about, for CSV): what a crash can lose, and what memory grows with. Templated.
        quarantine: rows of one block (a count, or a share such as ``0.01``) that may fail before scoring stops.
            Rows in quarantine still fail the run at `CheckScoresOperator`, unless it allows them. Templated.
        allow_nan: accept predictions that are NaN or infinite. Such scores are never used by a run without it.
        allow_empty: accept a partition without rows; likewise.
        force: score again what is committed, once per run. Templated.
        replay_quarantined: score those blocks of a committed partition again that have rows in quarantine, after what
            failed was fixed outside the data and the recipe's code (a change of those scores the partition as a whole
            anyway). Templated.
        conn_id: connection for `output_uri` and the model. Templated.

    Returns:
        The manifests' short form: ``{"label", "manifests": [{"partition", "manifest", "digest", "run", "generation",
        "reused", "rows_read", "rows_scored", "rows_skipped", "rows_quarantined", "seconds", "rows_per_second"},
        ...]}``. ``digest`` is that of the manifest's bytes, which never change; ``run`` is ``"<dag_id>/<run_id>"``;
        ``generation`` is the plan's, by which publications are ordered. Of more than 20 partitions the list lies below
        ``<output_uri>/_tasks/``, and XCom carries a reference to it.

    A partition whose identity (input bytes and how they are read, model, code, packages, output options) is committed
    is reused. A retry scores only the blocks whose part is missing. Bad data, a wrong digest or a broken recipe fail at
    once; a worker that died, or storage that did not answer, is retried.
    """

    template_fields: Sequence[str] = (
        "dataset",
        "partition",
        "output_uri",
        "method",
        "keys",
        "outputs",
        "flags",
        "columns",
        "block_rows",
        "quarantine",
        "force",
        "replay_quarantined",
        "conn_id",
    )
    places = (DATASET, Place("output_uri", "conn_id", "write"))

    def __init__(
        self,
        *,
        dataset: PartitionedDataset,
        partition: Any,
        output_uri: str,
        method: str | Sequence[str] = "predict",
        keys: Sequence[str] | None = None,
        outputs: Sequence[str] | Mapping[str, str] | None = None,
        flags: Mapping[str, str] | None = None,
        model_by: str | None = None,
        function: str | Callable[..., pd.DataFrame] | None = None,
        group_by: Sequence[str] = (),
        columns: Sequence[str] | None = None,
        output_types: Mapping[str, str] | None = None,
        row_wise: bool = True,
        engine: Engine | None = None,
        block_rows: int | str | None = None,
        quarantine: int | float | str | None = None,
        allow_nan: bool = False,
        allow_empty: bool = False,
        force: bool | str = False,
        replay_quarantined: bool | str = False,
        conn_id: str | None = None,
        map_index_template: str | None = "{{ task.label }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.dataset = copy.copy(dataset)
        self.partition = partition
        self.output_uri = output_uri
        self.method = method
        self.keys = keys
        self.outputs = outputs
        self.flags = flags
        self.model_by = model_by
        self.function = function
        self.group_by = group_by
        self.columns = columns
        self.output_types = output_types
        self.row_wise = row_wise
        self.engine = engine
        self.block_rows = block_rows
        self.quarantine = quarantine
        self.allow_nan = allow_nan
        self.allow_empty = allow_empty
        self.force = force
        self.replay_quarantined = replay_quarantined
        self.conn_id = conn_id

    @property
    def label(self) -> str:
        """How the UI calls the mapped task."""
        partition = as_mapping(self.partition)
        return str(partition.get("label", "")) if isinstance(partition, dict) else str(partition)

    def run_stage(self, context: Context) -> dict[str, Any]:
        from airflow_batchscore.connections import connect, connect_dataset, connect_engine
        from airflow_batchscore.data import storage
        from airflow_batchscore.data.pattern import partition_key
        from airflow_batchscore.engine.local import LocalDask
        from airflow_batchscore.model.outputs import OutputSpec
        from airflow_batchscore.model.recipe import column_names
        from airflow_batchscore.operators.lists import full, shortened
        from airflow_batchscore.operators.scored_with import scored_with
        from airflow_batchscore.quality.quarantine import Limit
        from airflow_batchscore.scoring.job import DEFAULT_BLOCK_ROWS, DEFAULT_LIMIT, ScoringJob
        from airflow_batchscore.scoring.partition import score_partitions

        entry = self.taken(self.partition, "plan", context, "partition")
        partitions, files = full([entry["partitions"], entry["files"]])
        job = ScoringJob(
            dataset=connect_dataset(self.dataset),
            model=None,
            output_uri=self.output_uri,
            spec=OutputSpec.of(self.method, as_mapping(self.outputs), as_mapping(self.flags)),
            keys=None if self.keys is None else column_names(self.keys, "keys"),
            block_rows=as_number(self.block_rows or DEFAULT_BLOCK_ROWS, "block_rows", int),
            limit=DEFAULT_LIMIT if self.quarantine is None else Limit.of(self.quarantine),
            allow_nan=self.allow_nan,
            allow_empty=self.allow_empty,
            token=run_name(context) if as_bool(self.force) else None,
            replay=as_bool(self.replay_quarantined),
            files={partition_key(values): count for values, count in zip(partitions, files, strict=True)},
            conn_id=connect(self.output_uri, self.conn_id),
        )
        job = replace(job, **scored_with(self, job, entry, partitions))
        scored = score_partitions(
            job,
            partitions,
            connect_engine(self.engine or LocalDask()),
            slots=task_slots(self, mapped=entry["tasks"]),
            progress=_Progress(context),
        )
        origin = {"run": run_name(context), "generation": entry["generation"]}
        shorts = []
        for manifest, reused in scored:
            short = {**manifest.short(reused=reused), **origin}
            shorts.append(short)
            self.log.info(
                "%s: %s, %d rows read = %d scored + %d skipped + %d quarantined",
                manifest.key,
                "reused" if reused else f"{short['rows_per_second']} rows/s",
                *manifest.account.astuple(),
            )
        lists = storage.join(self.output_uri, "_tasks")
        scored_now = {"label": entry["label"], "manifests": shortened(shorts, lists, self.conn_id)}
        return self.handed_on(scored_now, "scores", context)


class _Progress:
    """Keeps the task's progress where the UI and the REST API can read it while it runs."""

    def __init__(self, context: Context) -> None:
        self._store: Any = context.get("task_state_store")
        self._last = float("-inf")

    def __call__(self, done: int, total: int, account: Account) -> None:
        now = time.monotonic()
        if self._store is None or (done < total and now - self._last < _PROGRESS_SECONDS):
            return
        self._last = now
        self._store.set(PROGRESS_KEY, {"blocks": done, "blocks_total": total, **account.to_dict()})
