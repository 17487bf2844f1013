"""What a run will take: a sample of each kind of its partitions is scored, and thrown away.

Partitions are of one kind if their files have one format. Where each has its own model, those that have none are a kind
of their own. A sample grows until it agrees with itself, or has cost its share of the run.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.formats.compression import is_packed
from airflow_batchscore.data.storage import Location
from airflow_batchscore.engine import machine
from airflow_batchscore.engine.base import Engine, Session
from airflow_batchscore.engine.environments.calls import call
from airflow_batchscore.engine.environments.there import Tell, import_libraries
from airflow_batchscore.errors import BatchScoreError, InputError
from airflow_batchscore.plan.estimate import Estimate, Pace, Room, Sampled, Task, predict, require_files_apart
from airflow_batchscore.plan.models import ChampionAndChallenger, ModelPerPartition
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.committed import partition_state
from airflow_batchscore.scoring.evened import evened
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.prepare import Preparer
from airflow_batchscore.scoring.rounds import Rounds

log = logging.getLogger(__name__)

#: Folder of samples below an output in an object store.
ESTIMATES = "_estimates"
#: Of a sample's private folder below an output on a disk.
ESTIMATE = "estimate"
#: Share of a run that its sample may cost.
DEFAULT_SHARE = 0.02


@dataclass(frozen=True)
class Asked:
    """What is to be estimated; see `estimate`."""

    job: ScoringJob
    tasks: Sequence[Sequence[Partition]]
    engine: Engine
    slots: int = 1
    parallel_tasks: int = 1
    task_seconds: float = 0.0
    share: float = DEFAULT_SHARE
    price_per_core_hour: float | None = None


def estimate(
    job: ScoringJob,
    tasks: Sequence[Sequence[Partition]],
    engine: Engine,
    *,
    python: str | None = None,
    slots: int = 1,
    parallel_tasks: int = 1,
    task_seconds: float = 0.0,
    share: float = DEFAULT_SHARE,
    price_per_core_hour: float | None = None,
) -> Estimate:
    """Predict what it takes to score partitions, by scoring a sample.

    The sample is scored by the engine itself, and written below the job's output, where it is removed at once. It
    costs at most `share` of the run, but is not ended before it has measured for two seconds.

    Args:
        tasks: the partitions of each task, in the order in which tasks run; one list for one call of
            `score_partitions`.
        python: path of the interpreter that the engine scores in; None for this one.
        slots: tasks that share a machine; see `Engine.session`.
        parallel_tasks: tasks that run at once.
        task_seconds: that a task takes before it begins to work.
        share: of the run's time, for the sample: above 0, at most 1.

    Raises:
        InputError: an argument is out of range, the dataset has `partition_by`, or the work cannot be cut into a sample
            that is small enough.
        BatchScoreError: what scoring itself raises.
    """
    if isinstance(job.scored_with, ChampionAndChallenger):
        raise InputError(
            "estimate: a run of a champion and its challenger is not estimated; plan the champion alone to estimate "
            "it, or plan without an estimate"
        )
    if not 0 < share <= 1:
        raise InputError(f"share={share}: the sample may cost more than 0 and at most 1 (all) of the run")
    if parallel_tasks < 1:
        raise InputError(f"parallel_tasks={parallel_tasks}: give at least 1")
    require_files_apart(None if job.dataset.by is None else job.dataset.partition_by)
    asked = Asked(job, tasks, engine, slots, parallel_tasks, task_seconds, share, price_per_core_hour)
    predict([], _room(asked), Sampled(), price_per_core_hour=price_per_core_hour)  # refuses it before anything runs
    if python is None:
        return _estimate(asked)
    uris = [job.dataset.uri, job.output_uri, *(ref.uri for ref in job.scored_with.pinned)]
    made: Estimate = call(python, "airflow_batchscore.scoring.estimate:estimate_there", asked, uris=uris)
    return made


def estimate_there(tell: Tell, asked: Asked) -> Estimate:
    """What the other Python does."""
    import_libraries()
    return _estimate(asked)


def _estimate(asked: Asked) -> Estimate:
    began = time.monotonic()
    job, engine = asked.job, asked.engine
    with _staged(job.output) as output:
        sampled = replace(
            job,
            output_uri=output.uri,
            replay=False,
            files={},
            allow_empty=True,
            limit=Limit(1.0),  # of a few rows, one bad one is a large share
        )
        left = _not_committed(job, Preparer(sampled), asked.tasks)
        new = [partition for task in left for partition in task]
        reused = sum(map(len, asked.tasks)) - len(new)
        kinds: dict[str, list[Partition]] = {}
        for partition in new:
            kinds.setdefault(_kind(job, partition), []).append(partition)
        even = {name: evened(job.dataset, partitions) for name, partitions in kinds.items()}
        sizes = {key: size for each in even.values() for key, size in each.sizes.items()}
        looked = time.monotonic() - began
        paces: dict[str, Pace] = {}
        rows = 0
        room = _room(asked)

        def predicted() -> Estimate:
            found = predict(
                [_paced(job, task, paces, sizes) for task in left],
                room,
                Sampled(rows, time.monotonic() - began),
                reused=reused,
                price_per_core_hour=asked.price_per_core_hour,
            )
            return replace(found, bytes=sum(partition.size for partition in new))

        with engine.session(asked.slots) if new else nullcontext() as session:
            kept = _Kept(engine, session)
            size = sum(sizes.values())
            parts = {name: sum(each.sizes.values()) / max(size, 1) for name, each in even.items()}
            for name, part in sorted(parts.items(), key=lambda item: -item[1]):
                workers, most = max(room.workers, 1), asked.share * size
                before = looked * part
                rounds = Rounds(sampled, kept, workers, kinds[name], most, before, even[name].sizes)
                for pace in rounds.paces():
                    paces[name] = replace(pace, spread=pace.spread + even[name].spread)
                    others = dict.fromkeys(kinds, pace) | paces
                    whole = predict([_paced(job, task, others, sizes) for task in left], room, Sampled()).seconds
                    if not rounds.may_go_on(asked.share * whole * part):
                        break
                rows += rounds.rows
        return predicted()


def _paced(job: ScoringJob, task: Sequence[Partition], paces: Mapping[str, Pace], sizes: Mapping[str, float]) -> Task:
    return [(sizes[partition.key], paces[_kind(job, partition)]) for partition in task]


def _kind(job: ScoringJob, partition: Partition) -> str:
    uri = partition.files[0].uri
    packed = f" {uri.rpartition('.')[2]}" if is_packed(uri) else ""
    models = job.scored_with
    skipped = isinstance(models, ModelPerPartition) and models.choices[partition.key].model is None
    return f"{job.dataset.file_format(uri).name}{packed}{' without a model' if skipped else ''}"


def _room(asked: Asked) -> Room:
    """Tasks on one machine share its cores; those on a cluster share its workers."""
    workers = asked.engine.capacity(asked.slots).workers
    tasks = min(asked.parallel_tasks, max(1, len(asked.tasks)))
    if not asked.engine.is_local:
        return Room(workers, tasks, max(workers, 1), asked.task_seconds)
    machines = -(-tasks // min(asked.slots, tasks))
    return Room(workers, tasks, machines * max(machine.cores(), workers), asked.task_seconds)


def _not_committed(job: ScoringJob, preparer: Preparer, tasks: Sequence[Sequence[Partition]]) -> list[list[Partition]]:
    """The partitions of each task that it has to score."""

    def is_done(partition: Partition) -> bool:
        if job.output.is_local and not Path(storage.real((job.output / partition.key).uri)).is_dir():
            return False  # most runs are new: nothing of the data is read for this
        try:
            return partition_state(job, preparer, partition.values).is_done(job)
        except (BatchScoreError, OSError):  # raised when it is scored
            return False

    partitions = [partition for task in tasks for partition in task]
    done = storage.each(is_done, partitions, job.output_uri)
    committed = {partition.key for partition, is_there in zip(partitions, done, strict=True) if is_there}
    return [[partition for partition in task if partition.key not in committed] for task in tasks]


@contextmanager
def _staged(output: Location) -> Iterator[Location]:
    """A folder below `output` that is removed when the block ends."""
    if output.is_local:
        folder = Path(storage.real(output.uri))
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            with storage.private_folder((output / ESTIMATE).uri) as private:
                yield Location(str(private))
        finally:
            for each in missing:  # nothing was there before
                with suppress(OSError):
                    each.rmdir()
        return
    place = output / ESTIMATES / uuid.uuid4().hex
    try:
        yield place
    finally:
        files = storage.list_files(place, recursive=True)
        storage.each(lambda file: storage.delete(place.at(file.uri)), files, place.uri)


class _Kept(Engine):
    """An engine whose workers stay between the rounds of a sample."""

    def __init__(self, engine: Engine, session: Session | None) -> None:
        self._engine, self._session = engine, session

    @property
    def is_local(self) -> bool:
        return self._engine.is_local

    def session(self, slots: int = 1) -> AbstractContextManager[Any]:
        return nullcontext(self._session)

    def describe(self) -> dict[str, Any]:
        return self._engine.describe()
