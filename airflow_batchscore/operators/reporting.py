"""Says how far a scoring task is: to the pages by Airflow's task state store, and in the task's log.

A thread does it, so that scoring waits for neither.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_batchscore.data.amounts import in_bytes, in_words, number_of
from airflow_batchscore.engine.base import Capacity
from airflow_batchscore.engine.memory import held, most_held
from airflow_batchscore.operators.task_store import TaskStore
from airflow_batchscore.publish.progress import PROGRESS_KEY, Progress
from airflow_batchscore.scoring.tally import Count, Tally

log = logging.getLogger(__name__)

_STORE_SECONDS = 2.0
_LOG_SECONDS = 10.0
#: How long a task waits at its end for a store that does not answer.
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Work:
    """What a try of a scoring task is about; see `Progress`."""

    try_number: int
    dataset: str
    output: str
    model: str
    capacity: Capacity
    partitions: int
    bytes: int


@contextmanager
def reported(work: Work, tally: Tally, store: TaskStore) -> Iterator[None]:
    """Report the progress of the block: when it starts, at most every two seconds, and when it ends."""
    reporter = _Reporter(work, tally, store)
    log.info("%s", _beginning(work))
    ended = threading.Event()
    thread = threading.Thread(target=reporter.run, args=(ended,), name="batchscore-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:  # also what killed it: the store then says how far it came
        ended.set()
        thread.join(_PATIENCE_SECONDS)
    log.info("%s", _end(tally.count()))


class _Reporter:
    def __init__(self, work: Work, tally: Tally, store: TaskStore) -> None:
        self._work, self._tally, self._store = work, tally, store
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._memory = self._peak = 0

    def run(self, ended: threading.Event) -> None:
        next_line = time.monotonic() + _LOG_SECONDS
        self._memory = held()
        self._write()
        while not ended.wait(_STORE_SECONDS):
            if time.monotonic() >= next_line:
                next_line = time.monotonic() + _LOG_SECONDS
                log.info("%s", _line(self._tally.count(), self._work.capacity.workers))
                self._memory = held()  # looks at every process of the machine: not at every write
            self._write()
        self._memory = held()
        self._write()

    def _write(self) -> None:
        work, count = self._work, self._tally.count()
        self._peak = max(self._peak, self._memory, most_held())
        progress = Progress(
            try_number=work.try_number,
            started=self._started,
            seconds=round(count.seconds, 3),
            start_up=count.start_up(work.capacity.workers),
            dataset=work.dataset,
            output=work.output,
            model=work.model,
            engine=work.capacity.text,
            workers=work.capacity.workers,
            memory=self._memory,
            blocks=count.blocks,
            blocks_total=count.blocks_total,
            account=count.account,
            rows_before=count.rows_before,
            done=count.done,
            current=count.current,
            slowest=count.slowest,
            peak=self._peak,
        )
        self._store.set(PROGRESS_KEY, progress.to_dict())


def _beginning(work: Work) -> str:
    memory = f", at most {in_bytes(work.capacity.memory)} of memory" if work.capacity.memory else ""
    model = work.model if ":" in work.model or " " in work.model else f"model {work.model}"
    partitions = number_of(work.partitions, "partition")
    return f"scoring {partitions} ({in_bytes(work.bytes)}) with {model}; {work.capacity.text}{memory}"


def _line(count: Count, workers: int) -> str:
    """The rows of earlier tries count for the share, not for the speed."""
    share = count.blocks / max(1, count.blocks_total)
    rows = count.account.rows_read
    speed = (rows - count.rows_before) / count.seconds
    line = f"{number_of(rows, 'row')}, {count.blocks} of {count.blocks_total} blocks ({share:.0%}), {speed:,.0f} rows/s"
    start_up = count.start_up(workers)
    if start_up is None:
        return line
    left = (count.blocks_total - count.blocks) * (count.seconds - start_up) / count.own_blocks
    return f"{line}, about {in_words(left)} left"


def _end(count: Count) -> str:
    read, scored, skipped, quarantined = count.account.astuple()
    before = f" ({count.rows_before:,} of them were there already)" if count.rows_before else ""
    return (
        f"{read:,} rows read{before} = {scored:,} scored + {skipped:,} skipped + {quarantined:,} in quarantine, in "
        f"{number_of(count.blocks, 'block')}, {in_words(count.seconds)}"
    )
