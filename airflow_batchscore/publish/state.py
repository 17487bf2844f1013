"""The state of a run: what it planned, and what its scoring tasks committed.

Free of Airflow: it says what the values mean that a run's tasks return. Airflow keeps these values: a task takes them
from its arguments (`operators.scored_inputs`), a page reads them from the database (`plugin.xcoms`), and what is
published comes from there alone (`PublishedRun`). How far running tasks are is in `publish.progress`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_batchscore.data import storage
from airflow_batchscore.data.pattern import Values, partition_key, sort_key
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.scored import ScoredPartition, ScoredTask


@dataclass(frozen=True)
class ScoringRun:
    """What identifies a run.

    Attributes:
        partition_key: of a run of a partitioned DAG.
    """

    dag_id: str
    run_id: str
    partition_key: str | None = None

    @property
    def name(self) -> str:
        """``<dag_id>/<run_id>``, which distinguishes scores and publications of different runs."""
        return f"{self.dag_id}/{self.run_id}"

    def to_dict(self) -> dict[str, str]:
        """Plain JSON, without a partition key if the run has none."""
        key = {"partition_key": self.partition_key} if self.partition_key else {}
        return {"dag_id": self.dag_id, "run_id": self.run_id, **key}


@dataclass(frozen=True)
class RunState:
    """What the scoring tasks of a run committed.

    Attributes:
        scored: what they returned for each partition.
        manifests: of these partitions, read from storage, in the order of the partitions.
    """

    scored: Sequence[ScoredPartition]
    manifests: list[Manifest]

    @classmethod
    def read(cls, scored: Sequence[ScoredPartition], conn_id: str | None) -> RunState:
        """Read the manifests that the tasks returned. See `scored_partitions` for `scored`.

        Raises:
            GateError: one is gone, or was altered.
        """
        uris = [partition.manifest for partition in scored]
        digests = [partition.digest for partition in scored]
        return cls(scored, read_manifests(uris, conn_id, digests))

    @property
    def generations(self) -> dict[str, int]:
        """Partition key -> order number of the plan that scored it."""
        return {partition.key: partition.generation for partition in self.scored}

    @property
    def reused(self) -> dict[str, bool]:
        """Partition key -> whether its scores were committed before this run."""
        return {partition.key: partition.reused for partition in self.scored}


@dataclass(frozen=True)
class RunChallenge:
    """What the challenger of a run committed.

    Attributes:
        manifests: partition key -> manifest, read from storage.
        failed: partition key -> why it has no scores, or none that can be trusted.
    """

    model: ModelRef
    manifests: Mapping[str, Manifest]
    failed: Mapping[str, str]

    @classmethod
    def read(cls, tasks: Sequence[ScoredTask], conn_id: str | None) -> RunChallenge | None:
        """Read the manifests that the tasks returned; None if the run has no challenger.

        Raises:
            GateError: the challenger is not the same in all tasks.
        """
        challenges = [task.challenge for task in tasks if task.challenge is not None]
        if not challenges:
            return None
        models = {challenge.model for challenge in challenges}
        if len(models) > 1 or len(challenges) < len(tasks):
            raise GateError("scores: the scoring tasks did not all have the same challenger; check those of one plan")
        partitions = [partition for challenge in challenges for partition in challenge.partitions]
        failed = {key: why for challenge in challenges for key, why in challenge.failed.items()}

        def read(partition: ScoredPartition) -> Manifest | str:
            try:
                return RunState.read([partition], conn_id).manifests[0]
            except GateError as error:
                return str(error)

        read_back = storage.each(read, partitions, partitions[0].manifest) if partitions else []
        found = {partition.key: manifest for partition, manifest in zip(partitions, read_back, strict=True)}
        failed |= {key: why for key, why in found.items() if isinstance(why, str)}
        return cls(models.pop(), {key: each for key, each in found.items() if isinstance(each, Manifest)}, failed)


def current_tasks(stages: Sequence[str], tasks: Sequence[ScoredTask], planned: Sequence[Values] | None) -> list[int]:
    """Places of the tasks whose results count.

    A plan that is made again with fewer partitions leaves tasks behind that are not run any more, and Airflow still
    hands on what they returned. So a task of an older plan does not count if each of its partitions was scored by a
    task of the same stage for a newer plan, or is not planned any more.

    Args:
        stages: id of the Airflow task of each, which mapped ones share.
        planned: partitions of the plan; None if it is not known.
    """
    newest: dict[tuple[str, str], int] = {}
    for stage, task in zip(stages, tasks, strict=True):
        for each in task.partitions:
            newest[stage, each.key] = max(each.generation, newest.get((stage, each.key), 0))
    last: dict[str, int] = {}
    for (stage, _), generation in newest.items():
        last[stage] = max(generation, last.get(stage, 0))
    keys = None if planned is None else {partition_key(values) for values in planned}

    def is_left_behind(stage: str, each: ScoredPartition) -> bool:
        if each.generation < newest[stage, each.key]:
            return True
        return keys is not None and each.key not in keys and each.generation < last[stage]

    return [
        place
        for place, (stage, task) in enumerate(zip(stages, tasks, strict=True))
        if not task.partitions or not all(is_left_behind(stage, each) for each in task.partitions)
    ]


def scored_partitions(tasks: Sequence[ScoredTask]) -> list[ScoredPartition]:
    """The partitions of all scoring tasks of a run.

    Raises:
        GateError: there is none, or one appears twice.
    """
    scored = [partition for task in tasks for partition in task.partitions]
    if not scored:
        raise GateError("no scoring task gave a manifest: see the logs of the scoring tasks")
    twice = [key for key, count in Counter(partition.key for partition in scored).items() if count > 1]
    if twice:
        raise GateError(f"scores: {', '.join(twice[:20])} more than once; give each scoring task's output once")
    return scored


def planned_partitions(entries: Sequence[PlanEntry]) -> list[Values]:
    """Field values of all partitions of a plan.

    Raises:
        GateError: the entries are not those of one plan, each once.
    """
    if not entries:
        raise GateError("plan: there is no entry; give the output of PlanPartitionsOperator as it is")
    given = Counter((entry.generation, entry.index, entry.count) for entry in entries)
    generation, count = entries[0].generation, entries[0].count
    if given != Counter((generation, index, count) for index in range(count)):
        raise GateError(
            f"plan: {len(entries)} entries were received, and these are not the {count} that were planned, each once. "
            "Give the output of PlanPartitionsOperator as it is"
        )
    return [values for entry in entries for values in entry.partitions]


def read_manifests(uris: Sequence[str], conn_id: str | None, digests: Sequence[str]) -> list[Manifest]:
    """The manifests, in the order of their partitions.

    Args:
        digests: SHA-256 of the bytes of each, as returned by scoring or an audit.

    Raises:
        GateError: one is missing or has other bytes.
    """
    expected = dict(zip(uris, digests, strict=True))

    def read(uri: str) -> Manifest:
        manifest = Manifest.read(Location(uri, conn_id))
        if manifest is None:
            raise GateError(
                f"{uri} is gone: the partition is not committed any more; clear its scoring task to score it again"
            )
        if manifest.digest != expected[uri]:
            raise GateError(
                f"{uri} is not what scoring wrote: it has SHA-256 {manifest.digest[:12]}, the run says "
                f"{expected[uri][:12]}. Manifests never change, so it was altered; score the partition again with "
                "force in a new run"
            )
        return manifest

    manifests = storage.each(read, uris, uris[0]) if uris else []
    return sorted(manifests, key=lambda manifest: sort_key(manifest.partition))
