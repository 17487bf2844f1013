"""`ScorePartitionOperator`: one mapped task per partition, or a pack of small ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.links import DaskDashboardLink
from airflow_batchscore.operators.base import BatchScoreOperator, as_mapping, run_name
from airflow_batchscore.operators.failing import try_number
from airflow_batchscore.operators.places import DATASET, Place
from airflow_batchscore.operators.slots import task_slots

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.engine.base import Engine


class ScorePartitionOperator(BatchScoreOperator):
    """Score a partition block by block on the engine's workers and commit it by writing its manifest.

    Use ``ScorePartitionOperator.partial(...).expand(partition=plan.output)``.

    Args:
        dataset: what to score.
        partition: one entry of the plan.
        output_uri: where scores are staged; each partition has a folder below it. Templated.
        method: ``predict``, ``predict_proba``, ``predict_log_proba``, ``decision_function``, ``transform`` or
            ``score_samples``; or several, in which case the output columns are named after them. Templated.
        keys: columns to keep with each prediction; default: those of the recipe. Templated.
        outputs: output columns to keep, such as ``["prediction_1"]`` of ``predict_proba``, or
            ``{"prediction_1": "probability"}`` to rename them; default: all. Templated.
        flags: boolean columns to add, such as ``{"anomaly": "decision_function<0"}``. Templated.
        model_by: column whose values each have their own model, if the plan's ``model`` contains a field of that name.
        function: instead of a model, a function DataFrame -> DataFrame, or its import path. It may drop rows (counted
            as skipped) and turn one row into several, but it must keep the index and treat each row independently. The
            plan then needs no model.
        group_by: columns; the function is called once for each complete group of a partition. Its result may have any
            rows; the group's values are added to them. The largest group must fit in memory.
        columns: exactly the columns of the data to pass to the function; default: all. Keys and the columns of
            ``group_by`` are added to its result whether or not it sees them. Templated.
        output_types: column -> Arrow type (``"double"``, ``"int64"``, ``"string"``, ``"bool"``) of the function's
            result; other columns are dropped. Default: inferred by calling the function with the first rows of a
            partition; a column that appears only later is then an error.
        row_wise: False for a function that needs a whole partition: it is then called once with all rows, they must fit
            in memory, and a row that cannot be scored fails the partition. For a model, the recipe decides:
            ``Recipe(row_wise=False)``.
        engine: where blocks are scored; default ``LocalDask()``. See `DaskCluster` and `Spark`.
        block_rows: rows per block (approximate for CSV): determines how much work a crash can lose and how much memory
            is used. Templated.
        quarantine: rows of one block (a count, or a share such as ``0.01``) that may fail before scoring stops.
            Rows in quarantine still fail the run at `CheckScoresOperator` unless it allows them. Templated.
        allow_nan: accept NaN or infinite predictions. A run without it never reuses such scores.
        allow_empty: accept a partition without rows. A run without it never reuses such a partition.
        force: score committed partitions again, once per run. Templated.
        replay_quarantined: rescore the blocks of a committed partition that have rows in quarantine, after the cause
            was fixed outside the data and the recipe's code (changing either rescores the whole partition anyway).
            Templated.
        conn_id: connection for `output_uri` and the model. Templated.

    Returns:
        A `ScoredTask` as JSON: ``{"schema", "label", "conn_id", "manifests": [{"partition", "manifest", "digest",
        "run", "generation", "reused", "rows_read", "rows_scored", "rows_skipped", "rows_quarantined", "seconds",
        "rows_per_second", "blocks"}, ...]}``; with a challenger also ``"challenge": {"model", "manifests", "failed"}``:
        what it scored, and where it failed. ``digest`` is the digest of the manifest's bytes, which never change;
        ``run`` is ``"<dag_id>/<run_id>"``; ``generation`` is the plan's and orders publications. A list of more than
        20 partitions is stored below ``<output_uri>/_tasks/``, and XCom carries a reference to it.

    A partition is reused if its identity (input bytes and how they are read, model, code, packages, output options) is
    already committed. A retry scores only the blocks whose part is missing. Bad data, a wrong digest or a broken recipe
    fail at once; a dead worker or storage that did not answer is retried.
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

    @property
    def operator_extra_links(self) -> tuple[DaskDashboardLink, ...]:  # type: ignore[override]
        """The link to the dashboard, if the engine has one: each link costs every task a request.

        Airflow also evaluates this on the mapped operator.
        """
        from airflow_batchscore.engine.base import Engine

        engine = getattr(self, "partial_kwargs", {}).get("engine", getattr(self, "engine", None))
        return (DaskDashboardLink(),) if isinstance(engine, Engine) and engine.has_dashboard else ()

    def __init__(
        self,
        *,
        dataset: PartitionedDataset,
        partition: object,
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
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

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """As of any operator; a task is named after its partition unless ``map_index_template`` says otherwise."""
        # Not a default of __init__: Airflow 3.2 asks the mapped operator, before that of any one task is made.
        return super().partial(**{"map_index_template": "{{ task.label }}", **kwargs})

    @property
    def label(self) -> str:
        """The mapped task's name in the UI."""
        partition = as_mapping(self.partition)
        return str(partition.get("label", "")) if isinstance(partition, dict) else str(partition)

    @property
    def partition_label(self) -> str:  # type: ignore[override]
        return self.label

    def run_stage(self, context: Context) -> JsonObject:
        from airflow_batchscore.connections import connect_engine
        from airflow_batchscore.data.pattern import shown
        from airflow_batchscore.data.storage import Location
        from airflow_batchscore.engine.dashboard import announced_to
        from airflow_batchscore.engine.local import LocalDask
        from airflow_batchscore.operators.asked import Asked
        from airflow_batchscore.operators.environments import interpreter
        from airflow_batchscore.operators.outcome import scored_partitions
        from airflow_batchscore.operators.reporting import Work, reported
        from airflow_batchscore.operators.scoring_jobs import named, scoring_job
        from airflow_batchscore.operators.stored_lists import full, shortened
        from airflow_batchscore.plan.entry import PlanEntry
        from airflow_batchscore.scoring.elsewhere import score_elsewhere
        from airflow_batchscore.scoring.pair import handed_on, score_run
        from airflow_batchscore.scoring.tally import Tally

        (given,) = full([self.taken(self.partition, "plan", context, "partition")])
        entry, asked = PlanEntry.from_dict(given), Asked.of(self.store)
        job = scoring_job(self, entry.models, entry.files_of, context, asked, entry.version, entry.inputs)
        engine, slots = connect_engine(self.engine or LocalDask()), task_slots(self, mapped=entry.tasks)
        tally = Tally(len(entry.partitions))
        work = Work(
            try_number=try_number(context),
            dataset=self.dataset.uri,
            output=self.output_uri,
            model=named(job.scored_with),
            capacity=engine.capacity(slots),
            partitions=len(entry.partitions),
            bytes=entry.bytes,
        )
        python = interpreter(self, engine.elsewhere)
        score = partial(score_elsewhere, python) if python else score_run
        announced = announced_to(lambda url: context["ti"].xcom_push(DaskDashboardLink().xcom_key, url))
        with announced, reported(work, tally, self.store):
            scored = score(job, entry.partitions, engine, slots=slots, tally=tally)
        asked.done(self.store)
        self.outcome = scored_partitions(job.dataset.uri, self.output_uri, scored)
        task = handed_on(scored, entry, run_name(context), self.conn_id)
        for partition in task.partitions:
            self.log.info(
                "%s: %s, %d rows read = %d scored + %d skipped + %d quarantined",
                shown(partition.key),
                "reused" if partition.reused else f"{partition.rows_per_second} rows/s",
                *partition.account.astuple(),
            )
        lists = Location(self.output_uri, self.conn_id) / "_tasks"
        return self.handed_on(shortened(task.to_dict(), lists), "scores", context)
