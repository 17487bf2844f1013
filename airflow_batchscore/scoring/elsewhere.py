"""Scores partitions in another Python, where the model's libraries are; this process looks on.

All that touches the model or the user's functions happens there: what counts as code is compared and hashed with the
libraries that score, and functions are tried there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.engine.dashboard import announce, announced_to
from airflow_batchscore.engine.environments.calls import call
from airflow_batchscore.engine.environments.there import Tell, import_libraries
from airflow_batchscore.errors import listed
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import BlockResult, Manifest
from airflow_batchscore.scoring.pair import Scored, score_run
from airflow_batchscore.scoring.tally import Tally


def score_elsewhere(
    python: str, job: ScoringJob, partitions: Sequence[Values], engine: Engine, *, slots: int, tally: Tally
) -> list[Scored]:
    """`score_run` in another Python.

    Args:
        python: path of the interpreter.
    """
    news = {name: getattr(tally, name) for name in ("found", "began", "scored", "committed", "restart")}

    def doing() -> str:
        current = [partitions[position] for position in tally.count().current]
        return f"worked on {listed(map(partition_key, current or partitions))}"

    scored: list[Scored] = call(
        python,
        "airflow_batchscore.scoring.elsewhere:score_there",
        *(job, list(partitions), engine, slots),
        uris=[job.dataset.uri, job.output_uri, *(ref.uri for ref in job.scored_with.pinned)],
        news={**news, "dashboard": announce},
        doing=doing,
    )
    return scored


def score_there(tell: Tell, job: ScoringJob, partitions: Sequence[Values], engine: Engine, slots: int) -> list[Scored]:
    """What the other Python does."""
    import_libraries()
    with announced_to(partial(tell, "dashboard")):
        return score_run(job, partitions, engine, slots=slots, tally=_Told(len(partitions), tell))


class _Told(Tally):
    """Tells the task's process what it counts."""

    def __init__(self, partitions: int, tell: Tell) -> None:
        super().__init__(partitions)
        self._tell = tell

    def found(self, position: int, manifest: Manifest) -> None:
        super().found(position, manifest)
        self._tell("found", position, manifest)

    def began(self, position: int, blocks: int, there: int, account: Account) -> None:
        super().began(position, blocks, there, account)
        self._tell("began", position, blocks, there, account)

    def scored(self, key: str, result: BlockResult, seconds: float) -> None:
        super().scored(key, result, seconds)
        self._tell("scored", key, result, seconds)

    def committed(self, position: int) -> None:
        super().committed(position)
        self._tell("committed", position)

    def restart(self) -> None:
        super().restart()
        self._tell("restart")
