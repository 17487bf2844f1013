"""What a run will take, from what samples of it took: arithmetic alone. The samples: `scoring.estimate`."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from airflow_batchscore.data.amounts import in_bytes, in_words, number_of
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.schema_version import require_schema
from airflow_batchscore.errors import GateError, InputError

#: Incremented when the fields of an `Estimate` change.
SCHEMA = 1
#: A sample that agrees with itself may still not be like the rest.
_SPREAD = 0.1


@dataclass(frozen=True)
class Pace:
    """What a sample tells of the partitions of one kind. Times are seconds, sizes are bytes of the input.

    Attributes:
        start_up: of a task, before its blocks come at their pace: its engine, libraries, the model.
        partition: that each partition takes, whatever its size.
        byte: that one worker takes, among the others of its task.
        block: size of a block; a worker takes whole ones. Infinite if a partition is one.
        rows: per byte.
        memory: the most that a task needs for one of them; None if that was not measured.
        spread: how far the sample's parts differ, as a share.
    """

    start_up: float
    partition: float
    byte: float
    block: float
    rows: float
    memory: int | None
    spread: float


@dataclass(frozen=True)
class Room:
    """Where tasks run.

    Attributes:
        workers: of each task: blocks that it scores at once. 0 if that is not known: paces are then those of all
            workers together.
        tasks: that run at once.
        most: workers of all tasks that can work at once: cores of the machines, or the workers of one cluster.
        task_seconds: from the start of a task's process until it works.
    """

    workers: int = 1
    tasks: int = 1
    most: int = 1
    task_seconds: float = 0.0


def require_files_apart(partition_by: str | Sequence[str] | None) -> None:
    """Raise InputError for partitions that share files.

    Reading a block takes as long for one of them as for all that are in it: their bytes do not tell the time.
    """
    if partition_by is not None:
        raise InputError(
            f"estimate: what it takes to score a dataset with partition_by={partition_by!r} cannot be predicted yet: "
            "its partitions share files, and a file is read once for many of them. Score a few partitions first, with "
            "partitions=[...], to see what they take. Leave estimate=, max_cost= and max_seconds= out of a plan task"
        )


#: Of one task: size and pace of each partition that it has to score.
Task = Sequence[tuple[float, Pace]]


def task_times(tasks: Sequence[Task], room: Room) -> tuple[list[float], float]:
    """Seconds of each task as if it were alone, and seconds that workers are busy in all."""
    seconds, busy = [], 0.0
    for task in tasks:
        work = sum(size * pace.byte for size, pace in task)
        blocks = sum(_blocks(size, pace) for size, pace in task)
        alone = max((pace.start_up for _, pace in task), default=0.0) + sum(pace.partition for _, pace in task)
        # The last blocks leave workers without any.
        workers = max(room.workers, 1)
        waves = math.ceil(blocks / workers) / blocks if blocks else 0.0
        seconds.append(room.task_seconds + alone + work * waves)
        busy += alone + work
    return seconds, busy


def _blocks(size: float, pace: Pace) -> int:
    return max(1, math.ceil(size / pace.block - 0.5))


def wall_seconds(tasks: Sequence[Task], room: Room) -> tuple[float, float]:
    """Seconds until the last task ends, if each begins as one before it ends; and seconds that workers are busy."""
    seconds, busy = task_times(tasks, room)
    ends = [0.0] * max(1, min(room.tasks, len(seconds)))
    for each in seconds:  # in the order of the plan, which is Airflow's
        heapq.heappush(ends, heapq.heappop(ends) + each)
    return max(max(ends), busy / max(room.most, 1)), busy


@dataclass(frozen=True)
class Estimate:
    """What a run will probably take. Times are seconds, sizes are bytes.

    Attributes:
        seconds: of all scoring tasks together, by the clock; probably between `low` and `high`.
        core_seconds: that workers are busy, in all tasks; what is paid for. None if their number is not known.
        peak_memory: that one task needs; None if it scores on other machines.
        cost: `core_seconds` at the price per core and hour; None without a price.
        rows, partitions, bytes: to be scored; `reused` partitions are committed already, and are not among them.
        tasks, parallel_tasks, workers: how many tasks, how many at once, and the workers of each; 0 if not known.
        sample_rows, sample_seconds: that were scored for this, and how long all of it took.
    """

    seconds: float
    low: float
    high: float
    core_seconds: float | None
    peak_memory: int | None
    cost: float | None
    rows: int
    partitions: int
    bytes: int
    reused: int
    tasks: int
    parallel_tasks: int
    workers: int
    sample_rows: int
    sample_seconds: float

    @property
    def sample_share(self) -> float:
        """What the sample cost, as a share of the run's time."""
        return self.sample_seconds / self.seconds if self.seconds else 0.0

    def require_within(self, max_seconds: float | None = None, max_cost: float | None = None) -> None:
        """Raise GateError if the run would take longer, or cost more.

        Raises InputError for a limit that is no number from 0, and for `max_cost` where no price was given.
        """
        for name, limit in (("max_seconds", max_seconds), ("max_cost", max_cost)):
            if limit is not None and not 0 <= limit < math.inf:
                raise InputError(f"{name}={limit}: give a number from 0")
        if max_cost is not None and self.cost is None:
            raise InputError(f"max_cost={max_cost:g} needs a price: estimate with price_per_core_hour=")
        problems, advice = [], ["Plan fewer partitions"]
        if max_seconds is not None and self.seconds > max_seconds:
            problems.append(f"take about {in_words(self.seconds)}, more than max_seconds={max_seconds:g}")
            advice.append("give it more workers or parallel tasks")
        if max_cost is not None and self.cost is not None and self.cost > max_cost:
            problems.append(f"cost about {self.cost:.2f}, more than max_cost={max_cost:g}")
        if problems:
            raise GateError(
                f"the run would {', and '.join(problems)}; nothing was scored. It has {self._amount} to score, "
                f"{self._lanes}. {', '.join(advice)}, or raise the limit"
            )

    @property
    def _amount(self) -> str:
        return f"about {number_of(self.rows, 'row')} in {number_of(self.partitions, 'partition')}"

    @property
    def _lanes(self) -> str:
        tasks = "1 task" if self.tasks == 1 else f"{self.parallel_tasks:,} of {self.tasks:,} tasks at once"
        workers = number_of(self.workers, "worker")
        return f"{tasks} with {workers}{' each' if self.tasks > 1 else ''}" if self.workers else tasks

    def sentences(self) -> list[str]:
        """For the log."""
        if not self.partitions:
            are = "1 partition is" if self.reused == 1 else f"{self.reused:,} partitions are"
            return [f"There is nothing to score: {are} committed already, and cost nothing."]
        memory = f", {in_bytes(self.peak_memory)} of memory a task" if self.peak_memory else ""
        cost = f", and cost {self.cost:.2f}" if self.cost is not None else ""
        are = (
            "1 more is committed already, and costs"
            if self.reused == 1
            else f"{self.reused:,} more are committed already, and cost"
        )
        reused = f" ({are} nothing)" if self.reused else ""
        will = (
            f"The run will take about {in_words(self.seconds)} ({in_words(self.low)} to {in_words(self.high)}){memory}"
            f"{cost}: {self._amount}{reused}, {self._lanes}."
        )
        how = (
            f"This is what {number_of(self.sample_rows, 'row')} took that were scored and thrown away, in "
            f"{in_words(self.sample_seconds)} ({self.sample_share:.1%} of the run)."
        )
        return [will, how]

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Estimate:
        """The inverse of `to_dict`. Raises InputError for one of another version of this package."""
        require_schema(value, SCHEMA, "the estimate was made", "clear the plan task, so that this version makes it")
        try:
            return cls(**{name: value[name] for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise InputError(f"this is no estimate of a run: it lacks {error}") from error


@dataclass(frozen=True)
class Sampled:
    """What was spent on samples."""

    rows: int = 0
    seconds: float = 0.0


def predict(
    tasks: Sequence[Task], room: Room, sampled: Sampled, *, reused: int = 0, price_per_core_hour: float | None = None
) -> Estimate:
    """The estimate of a run.

    Args:
        tasks: those that only find committed partitions are empty.

    Raises:
        InputError: the price is negative, or nobody knows how many workers are to be paid.
    """
    if price_per_core_hour is not None and not 0 <= price_per_core_hour < math.inf:
        raise InputError(f"price_per_core_hour={price_per_core_hour}: give a price from 0")
    if price_per_core_hour is not None and not room.workers:
        raise InputError(
            "price_per_core_hour: the engine does not say how many workers it has, so that nothing can be said of the "
            "cost. Leave the price out, and limit the time with max_seconds"
        )
    seconds, busy = wall_seconds(tasks, room)
    parts = [part for task in tasks for part in task]
    size = sum(size for size, _ in parts)
    spread = 1 + _SPREAD + (sum(size * pace.spread for size, pace in parts) / size if size else 0.0)
    memories = [pace.memory for _, pace in parts if pace.memory is not None]
    return Estimate(
        seconds=round(seconds, 3),
        low=round(seconds / spread, 3),
        high=round(seconds * spread, 3),
        core_seconds=round(busy, 3) if room.workers else None,
        peak_memory=max(memories, default=None),
        cost=None if price_per_core_hour is None else round(busy / 3600 * price_per_core_hour, 6),
        rows=round(sum(size * pace.rows for size, pace in parts)),
        partitions=len(parts),
        bytes=round(size),
        reused=reused,
        tasks=len(tasks),
        parallel_tasks=max(1, min(room.tasks, len(tasks))),
        workers=room.workers,
        sample_rows=sampled.rows,
        sample_seconds=round(sampled.seconds, 3),
    )
