"""What running tasks keep in Airflow's task state store, for the pages: how far they are, and why they failed.

Anybody who may clear a task can write there, so a page shows these values and trusts none of them: no file is read
because one of them names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.check import Check
from airflow_batchscore.scoring.tally import SlowBlock

#: Of a scoring task, replaced at most every two seconds: a `Progress`.
PROGRESS_KEY = "batchscore_progress"
#: Of any task of this package whose last try failed: a `Failure`. Deleted when a try begins.
FAILURE_KEY = "batchscore_failure"
#: Of a gate: a `GateResult`.
GATE_KEY = "batchscore_gate"
#: Set by a page before it clears a scoring task: score what is committed again (`FORCE_KEY`), or the blocks with rows
#: in quarantine (`REPLAY_KEY`). The value names the request, such as ``"2026-11-22T10:00:00Z by ann"``; the task
#: deletes it once it has committed, so that a retry still does what was asked.
FORCE_KEY = "batchscore_force"
REPLAY_KEY = "batchscore_replay"

#: Incremented when the fields of these values change; a page ignores what another version wrote.
SCHEMA = 1


@dataclass(frozen=True)
class Progress:
    """How far a try of a scoring task is.

    Attributes:
        try_number: of the task.
        started: ISO 8601, UTC: when this try began to work.
        seconds: since then, when this was written.
        start_up: of them, what passed before blocks were scored at the pace of now; None while there is no pace yet.
        dataset, output: URIs, as the DAG names them.
        model: its version; of several, how many there are (``"12 models"``); the import path of a function.
        engine: what it says of itself, such as ``"LocalDask, 2 threads"``.
        workers: threads or processes that score; 0 if the engine knows it only once they have started.
        memory: bytes held by the task's process and its children, at most ten seconds ago. The workers of another
            cluster are not among them.
        peak: the most that was held; 0 if an earlier version of this package wrote this.
        blocks, blocks_total: scored, of all; the total is an estimate until every partition of a pack has begun.
        account: rows so far, with those of earlier tries.
        rows_before: rows read by earlier tries, and found again.
        done: positions of the committed partitions in the plan's entry, as ranges: ``[[0, 41], [43, 43]]``.
        current: positions of the partitions in progress.
        slowest: the slowest blocks of this try, slowest first; at most five.
    """

    try_number: int
    started: str
    seconds: float
    start_up: float | None
    dataset: str
    output: str
    model: str
    engine: str
    workers: int
    memory: int
    blocks: int
    blocks_total: int
    account: Account
    rows_before: int
    done: Sequence[Sequence[int]] = ()
    current: Sequence[int] = ()
    slowest: Sequence[SlowBlock] = field(default_factory=list)
    peak: int = 0

    def to_dict(self) -> JsonObject:
        """Plain JSON; the counts stand beside the other fields."""
        fields = {name: value for name, value in vars(self).items() if name not in ("account", "slowest")}
        slowest = [asdict(block) for block in self.slowest]
        return {"schema": SCHEMA, **fields, "slowest": slowest, **self.account.to_dict()}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Progress | None:
        """The inverse of `to_dict`; None for what another version, or somebody else, wrote."""
        try:
            if value["schema"] != SCHEMA:
                return None
            known = cls.__dataclass_fields__.keys() - {"account", "slowest", "peak"}
            fields = {**{name: value[name] for name in known}, "peak": value.get("peak", 0)}
            slowest = [SlowBlock(**block) for block in value["slowest"]]
            return cls(**fields, account=Account.from_dict(value), slowest=slowest)
        except (KeyError, TypeError):
            return None


@dataclass(frozen=True)
class Failure:
    """Why the last try of a task failed.

    Attributes:
        kind: the class of the error, such as ``"InputError"``.
        message: what happened, to which partition, and what to do next.
        retried: whether a retry may fix it.
    """

    try_number: int
    kind: str
    message: str
    retried: bool

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Failure | None:
        """The inverse of `to_dict`; None for what another version, or somebody else, wrote."""
        try:
            if value["schema"] != SCHEMA:
                return None
            return cls(*(value[name] for name in cls.__dataclass_fields__))
        except (KeyError, TypeError):
            return None


@dataclass(frozen=True)
class GateResult:
    """What a gate looked at, and found. `checks` are in the order of the table that it printed."""

    checks: Sequence[Check]

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {"schema": SCHEMA, "checks": [check.to_dict() for check in self.checks]}

    @classmethod
    def from_dict(cls, value: JsonMapping) -> GateResult | None:
        """The inverse of `to_dict`; None for what another version, or somebody else, wrote."""
        try:
            return cls([Check.from_dict(check) for check in value["checks"]]) if value["schema"] == SCHEMA else None
        except (KeyError, TypeError):
            return None
