"""`plan_run`: what a run would score, what it would find committed, and what its publication would change."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

from airflow_batchscore.api.reach import target_to
from airflow_batchscore.api.work import ScoreOptions, Work
from airflow_batchscore.data import storage
from airflow_batchscore.data.apart import require_apart
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.shared_files import SharedFiles
from airflow_batchscore.data.tables.kinds import Table
from airflow_batchscore.data.unlabelled import unlabelled
from airflow_batchscore.errors import BatchScoreError, OutputError
from airflow_batchscore.plan.models import ChampionAndChallenger, ModelByColumn, ModelPerPartition, OneModel
from airflow_batchscore.publish.stamp import PartitionStamp
from airflow_batchscore.scoring.committed import PartitionState, partition_state
from airflow_batchscore.scoring.job import FunctionJob
from airflow_batchscore.scoring.prepare import Preparer

#: What a run does with a partition. ``"fails"``: the input or the request is wrong, and `why` says what.
Doing = Literal["score", "resume", "reuse", "skip", "fails"]
#: What publication would do with it; None if it is not known, or nothing would be published.
Change = Literal["added", "replaced", "unchanged"]


@dataclass(frozen=True)
class PlannedPartition:
    """A partition of a planned run.

    Attributes:
        doing: ``"reuse"``: its scores are committed; ``"resume"``: an earlier attempt left `parts_there` of its parts;
            ``"skip"``: there is no model for it, and the policy skips it.
        model: version, or what the rows are scored with instead.
        rows: of the committed scores; None if there are none.
        why: the problem, or why it has not its own model.
    """

    partition: str
    files: int
    bytes: int
    doing: Doing
    model: str
    parts_there: int = 0
    rows: int | None = None
    change: Change | None = None
    why: str = ""


@dataclass(frozen=True)
class PlannedRun:
    """What a run would do.

    Attributes:
        kept: keys of partitions that are published and that the run would not touch.
        notices: in sentences, what people should look at although it would be scored.
    """

    dataset: str
    output: str
    publish_to: str | None
    partitions: Sequence[PlannedPartition]
    kept: Sequence[str] = ()
    notices: Sequence[str] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many partitions each thing is done with, and how many each change concerns."""
        each = Counter[str](partition.doing for partition in self.partitions)
        changes = Counter[str](partition.change for partition in self.partitions if partition.change)
        return {**each, **changes, **({"kept": len(self.kept)} if self.publish_to else {})}

    def to_dict(self) -> JsonObject:
        """Plain JSON: what ``batchscore plan --json`` prints."""
        return {**asdict(self), "counts": dict(self.counts)}


def plan_run(
    dataset: PartitionedDataset | str,
    model: str | None = None,
    partitions: object = None,
    *,
    output_uri: str,
    publish_to: str | None = None,
    table: Table | None = None,
    **options: Any,
) -> PlannedRun:
    """What `score` would do with the same arguments. Nothing is scored or written.

    A function's first rows are tried, as scoring does to find its columns.

    Args:
        dataset, model, partitions, output_uri, publish_to, table, options: see `score`.

    Raises:
        InputError, ModelError: the request as a whole is wrong; what is wrong with a partition is in the plan.
        OutputError: `publish_to` is not an output of this package, or holds a table that `table` does not name.
    """
    chosen = ScoreOptions.of(options, plan_run)
    target = target_to(publish_to, table, chosen.conn_id, output_uri)
    work = chosen.work(dataset, model, partitions, output_uri)
    with tempfile.TemporaryDirectory(prefix="batchscore-plan-") as folder:
        # A list of many models is written where scores are staged: a plan writes nothing there.
        preparer = Preparer(replace(work.job, output_uri=folder, conn_id=None))
        look = partial(_planned, work, preparer, SharedFiles(work.job.dataset))
        planned = storage.each(look, work.partitions, work.job.output_uri)
    notices = unlabelled(work.job.dataset, work.partitions)
    if target is None:
        return PlannedRun(work.job.dataset.uri, work.job.output_uri, None, [each for each, _ in planned], (), notices)
    require_apart(work.job.dataset.uri, target.files([partition.key for partition in work.partitions]))
    stamps = target.published()
    if stamps is None:
        raise OutputError(f"{publish_to}: this kind of output cannot tell what it holds; plan without publish_to")
    with_changes = [replace(each, change=_change(each, digest, stamps)) for each, digest in planned]
    asked = {each.partition for each in with_changes}
    kept = [key for key in stamps if key not in asked]
    return PlannedRun(work.job.dataset.uri, work.job.output_uri, target.location.uri, with_changes, kept, notices)


def _planned(work: Work, preparer: Preparer, files: SharedFiles, partition: Partition) -> tuple[PlannedPartition, str]:
    """The partition, and the digest of its committed manifest."""
    job, model, skipped = work.job, *_model_of(work, partition)
    plain = PlannedPartition(partition.key, len(partition.files), partition.size, "score", model)
    try:
        state = partition_state(job, preparer, partition.values, files)
    except BatchScoreError as error:
        return replace(plain, doing="fails", why=str(error)), ""
    if state.committed is not None and state.is_done(job):
        return replace(plain, doing="reuse", rows=state.committed.rows), state.committed.digest
    if skipped:
        return replace(plain, doing="skip", why=skipped), ""
    there = 0 if job.token else _parts_there(state)
    return replace(plain, doing="resume" if there else "score", parts_there=there), ""


def _parts_there(state: PartitionState) -> int:
    names = (file.uri.rpartition("/")[2] for file in storage.list_files(state.folder))
    return sum(name.startswith("part-") for name in names) if state.committed is None else 0


def _model_of(work: Work, partition: Partition) -> tuple[str, str]:
    """What a partition is scored with, and why it is skipped instead."""
    match work.job.scored_with:
        case OneModel(model):
            return model.version, ""
        case ChampionAndChallenger() as both:
            return both.named, ""
        case ModelPerPartition(choices):
            choice = choices[partition.key]
            return (choice.model.version, "") if choice.model else ("-", choice.note)
        case ModelByColumn() as models:
            return f"one of {len(models.choices)} by {models.column}", ""
        case FunctionJob() as function:
            return function.function.path, ""


def _change(each: PlannedPartition, digest: str, stamps: Mapping[str, PartitionStamp]) -> Change | None:
    if each.doing == "fails":
        return None
    stamp = stamps.get(each.partition)
    if stamp is None:
        return "added"
    return "unchanged" if stamp.manifest == digest else "replaced"
