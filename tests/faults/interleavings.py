"""Several runs at once over one dataset and one output, stopped, woken, killed and cleared while inputs are replaced.

A reader looks all the time: every published row and every committed manifest must be of one version of the bytes and
one model, whole, and, once a run has published, no older than that.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import fault_runs
from attempts import GROUP, SUPERVISOR, TASK, Attempt, Server, left_over, processes, strike
from fault_reader import Reader

_AT_ONCE = 3
_TASKS = ("plan", "score", "publish")
_DONE = len(_TASKS)


@dataclass
class Interleaved:
    """One line of the table: what was done, and what came of it.

    Attributes:
        replaced: how often other bytes took an input's place.
        refused: tasks that ended with an error that a retry cannot fix, such as an older publication's.
        failed: tasks that ended with an error that nobody wrote.
    """

    output: str
    kills: int = 0
    stops: int = 0
    replaced: int = 0
    runs: int = 0
    published: int = 0
    refused: int = 0
    failed: int = 0
    left_over: int = 0
    reads: int = 0
    wrong: int = 0
    lost: int = 0
    stale: int = 0
    ended_right: bool = False

    @property
    def faults(self) -> int:
        return self.kills + self.stops

    @property
    def clean(self) -> bool:
        """Something was published and read, and nothing happened that never should."""
        bad = self.wrong + self.lost + self.stale + self.left_over + self.failed
        return self.ended_right and not bad and self.published > 0 and self.reads > 0


@dataclass
class _Run:
    """A run, the number of the task that comes next, and its attempts that may be alive: (task, attempt)."""

    name: str
    place: int = 0
    attempts: list[tuple[int, Attempt]] = field(default_factory=list)

    def has_said(self, folder: Path, what: str) -> bool:
        return (folder / "runs" / f"{self.name}.{what}.json").exists()


class World:
    """A dataset, an output, and what happens to them.

    Args:
        output: ``out.parquet``, ``out.csv`` or ``out``.
    """

    def __init__(self, server: Server, folder: Path, output: str, chance: random.Random) -> None:
        self.server, self.folder, self.output, self.chance = server, folder, output, chance
        self.row = Interleaved(output)
        self.runs: list[_Run] = []
        self.stopped: list[Attempt] = []
        self.version = 0
        #: Partition -> version of the bytes that are there.
        self.there: dict[int, int] = {}
        fault_runs.prepare(folder)
        for number in fault_runs.PARTITIONS:
            self._put(number, self._new(number))

    # -- inputs ------------------------------------------------------------------------
    def _new(self, number: int) -> int:
        self.version += 1
        (self.folder / "versions" / f"part_{number}.{self.version}").write_text(fault_runs.text(self.version))
        return self.version

    def _put(self, number: int, version: int) -> None:
        """A version with its own inode and time, also when it was there before."""
        path = self.folder / f"part_{number}.csv"
        new = path.with_suffix(".new")
        os.link(self.folder / "versions" / f"part_{number}.{version}", new)
        new.rename(path)
        self.there[number] = version
        self.row.replaced += 1

    def replace(self) -> None:
        self._put(number := self.chance.choice(fault_runs.PARTITIONS), self._new(number))

    def put_back(self) -> None:
        """Another version for a moment, then the one that was there before."""
        number = self.chance.choice(fault_runs.PARTITIONS)
        before = self.there[number]
        self._put(number, self._new(number))
        time.sleep(self.chance.uniform(0, 0.15))
        self._put(number, before)

    def write_over(self) -> None:
        """Another version in the same file, as programs write that know no better."""
        number = self.chance.choice(fault_runs.PARTITIONS)
        self._put(number, self._new(number))
        time.sleep(self.chance.uniform(0.02, 0.1))  # a time that a disk can tell from the next
        old, new = self.there[number], self._new(number)
        path = self.folder / "versions" / f"part_{number}.{old}"
        path.write_text(fault_runs.text(new))  # the same inode as the input
        path.rename(path.with_name(f"part_{number}.{new}"))
        self.there[number] = new
        self.row.replaced += 1

    # -- runs --------------------------------------------------------------------------
    def begin(self) -> _Run:
        """A new run, of some partitions, with a model, forced or not."""
        chance = self.chance
        partitions = sorted(chance.sample(fault_runs.PARTITIONS, chance.choice([1, 2, 3, 3])))
        return self._begin(partitions, chance.choice(fault_runs.MODELS), force=chance.random() < 0.3)

    def _begin(self, partitions: list[int], model: int, *, force: bool) -> _Run:
        run = _Run(f"run{len(self.runs)}")
        self.runs.append(run)
        asked = {"partitions": partitions, "model": model, "force": force, "output": self.output}
        fault_runs.say(self.folder, run.name, "asked", asked)
        self._start(run)
        self.row.runs += 1
        return run

    def _start(self, run: _Run) -> None:
        slow = self.chance.choice([0.0, 0.01, 0.03])
        attempt = self.server.start(f"{_TASKS[run.place]} {run.name}", self.folder, block_seconds=slow)
        run.attempts.append((run.place, attempt))

    def live(self) -> list[Attempt]:
        return [attempt for run in self.runs for _, attempt in run.attempts if not attempt.ended()]

    def look_after(self) -> None:
        """As a scheduler does: the next task where one is done, the same one again where it was killed."""
        for run in self.runs:
            for task, attempt in [each for each in run.attempts if each[1].ended()]:
                run.attempts.remove((task, attempt))
                self._ended(run, task, attempt)

    def _ended(self, run: _Run, task: int, attempt: Attempt) -> None:
        status = attempt.status
        self.row.published += status == 0 and _TASKS[task] == "publish"
        self.row.refused += status == fault_runs.REFUSED
        if status == 1:
            self.row.failed += 1
            print((self.folder / "log.txt").read_text()[-2000:], file=sys.stderr)
        if status == 0 and task == run.place:
            run.place += 1
            if run.place < _DONE:
                self._start(run)
        elif run.attempts or run.place == _DONE:  # another attempt is at it, or has done it
            return
        elif status in (fault_runs.REFUSED, 1):
            run.place = _DONE
        else:
            self._start(run)

    # -- what goes wrong ---------------------------------------------------------------
    def kill(self) -> None:
        live = self.live()
        if live:
            attempt = self.chance.choice(live)
            if attempt in self.stopped:
                self.stopped.remove(attempt)
                self._signal(attempt, signal.SIGCONT)  # what is stopped does not see SIGTERM
            fault = self.chance.choice([TASK, TASK, SUPERVISOR, GROUP])
            if attempt.task is not None and strike(attempt, fault, self.chance):
                self.row.kills += 1
                self.row.left_over += left_over(attempt)

    def stop(self) -> None:
        attempts = [attempt for attempt in self.live() if attempt not in self.stopped]
        if attempts:
            attempt = self.chance.choice(attempts)
            self._signal(attempt, signal.SIGSTOP)
            self.stopped.append(attempt)
            self.row.stops += 1

    def overtake(self) -> None:
        """Start again what a stopped attempt was at, as a scheduler does that misses its heartbeat."""
        waiting = [run for run in self.runs for _, attempt in run.attempts if attempt in self.stopped]
        if waiting and (run := self.chance.choice(waiting)).place < _DONE:
            self._start(run)

    def wake(self) -> None:
        if self.stopped:
            self._signal(self.stopped.pop(self.chance.randrange(len(self.stopped))), signal.SIGCONT)

    def _wake_all(self) -> None:
        while self.stopped:
            self.wake()

    def clear(self) -> None:
        """A task of an earlier run starts again, and all that come after it."""
        idle = [run for run in self.runs if not run.attempts and run.place == _DONE]
        if idle:
            run = self.chance.choice(idle)
            needs = ("asked", "plan", "scores")
            run.place = self.chance.choice([n for n in range(_DONE) if run.has_said(self.folder, needs[n])])
            self._start(run)

    def _signal(self, attempt: Attempt, number: signal.Signals) -> None:
        for pid in processes(attempt.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    # -- the whole ---------------------------------------------------------------------
    def disturb(self, faults: int) -> None:
        """Until there were that many kills and stops."""
        actions: list[Callable[[], object]] = [self.kill, self.kill, self.stop, self.stop, self.stop, self.overtake]
        actions += [self.wake, self.wake, self.wake, self.clear, self.replace, self.put_back, self.write_over]
        while self.row.faults < faults:
            self.look_after()
            if len(self.live()) - len(self.stopped) < _AT_ONCE and self.chance.random() < 0.7:
                self.begin()
            time.sleep(self.chance.uniform(0, 0.08))
            self.chance.choice(actions)()

    def settle(self) -> None:
        """Another run, of everything, disturbed by nothing but those that slept; they wake up after it, or in it.

        Those that slept before they had planned wake up after it: what they plan then is rightly newer. So would be
        the plan of one that is slow: all others have planned before it begins.
        """

        def is_planning(run: _Run) -> bool:
            return _TASKS[run.place : run.place + 1] == _TASKS[:1] and any(
                attempt not in self.stopped for _, attempt in run.attempts
            )

        self._until(lambda: not any(map(is_planning, self.runs)), 60)
        model = fault_runs.MODELS[-1]
        last = self._begin(list(fault_runs.PARTITIONS), model, force=False)
        self._until(lambda: last.place == _DONE, 5)
        planning = [attempt for run in self.runs for task, attempt in run.attempts if _TASKS[task] == "plan"]
        asleep, self.stopped = self.stopped, [each for each in self.stopped if each not in planning]
        self._wake_all()
        self._until(lambda: last.place == _DONE, 120)
        self.stopped = [each for each in asleep if each in planning]
        self._wake_all()
        self._until(lambda: not any(run.attempts for run in self.runs), 120)
        right = {str(number): (version, model) for number, version in self.there.items()}
        rows = fault_runs.published(self.folder / self.output)
        found = {place: fault_runs.origin(its) for place, its in rows.items()}
        self.row.ended_right = found == right
        if found != right:
            print(f"{self.output}: published is {found}, and should be {right}", file=sys.stderr)

    def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.look_after()
            time.sleep(0.01)


def table(rows: list[Interleaved]) -> str:
    """Markdown."""
    lines = [
        "| output | kills | stops | inputs replaced | runs | publications | refused | reads | wrong | lost | stale | "
        "left-over processes | the last run's scores in the end |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.output} | {row.kills} | {row.stops} | {row.replaced} | {row.runs} | {row.published} | {row.refused} | "
        f"{row.reads:,} | {row.wrong} | {row.lost} | {row.stale} | {row.left_over} | "
        f"{'yes' if row.ended_right else 'NO'} |"
        for row in rows
    ]
    return "\n".join(lines)


OUTPUTS = ("out.parquet", "out.csv", "out")


def interleaved(server: Server, output: str, faults: int, chance: random.Random) -> Interleaved:
    """Runs in a world of their own until there were that many kills and stops."""
    with tempfile.TemporaryDirectory(prefix="batchscore-faults-") as name:
        world = World(server, Path(name), output, chance)
        with Reader(world.folder, output) as reader:
            world.disturb(faults)
            world.settle()
    seen = {"reads": reader.reads, "wrong": reader.wrong, "lost": reader.lost, "stale": reader.stale}
    return replace(world.row, **seen)
