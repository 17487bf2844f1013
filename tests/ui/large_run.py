"""Writes a large run that never ran: ``python large_run.py FOLDER TASKS PACK`` with a stack's settings and key.

It imports nothing that changes them, as `support` does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from made_runs import BEGAN, MadeRun

from airflow_batchscore.publish.progress import FAILURE_KEY, Failure

#: Scoring tasks at the end of the plan that are at work, and after them those that wait.
WORKING, WAITING = 4, 6
#: This one failed.
FAILED = 17


def _write(folder: Path, tasks: int, pack: int) -> str:
    """The run's id. Its DAG must be paused, so that the scheduler leaves it as it is."""
    run = MadeRun(folder)
    entries = run.plan([pack] * tasks)
    for entry in entries[: tasks - WORKING - WAITING]:
        if entry.index == FAILED:
            failure = Failure(1, "InputError", f"partition {entry.label}: the file is empty", False)
            run.task("score", "ScorePartitionOperator", "failed", FAILED)
            run.kept("score", FAILED, FAILURE_KEY, failure.to_dict())
        else:
            run.scored(entry)
    for entry in entries[tasks - WORKING - WAITING : tasks - WAITING]:
        # Deferred, which counts as work: a running one without a worker would be ended by the scheduler.
        run.task("score", "ScorePartitionOperator", "deferred", entry.index, start_date=BEGAN)
        run.progress(entry, blocks=2, rows=500, current=[0])
    for entry in entries[tasks - WAITING :]:
        run.task("score", "ScorePartitionOperator", None, entry.index)
    return run.write()


if __name__ == "__main__":
    print(_write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
