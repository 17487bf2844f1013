"""Work for worker processes that a test kills."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd

from airflow_batchscore.engine.rerun import may_be_a_rerun
from airflow_batchscore.scoring.block import score_block


def pid_and_sleep(folder: str) -> None:
    """Leave a mark with this process's id, then take long."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)


def score_and_die_once(job: Any, block: Any) -> Any:
    """`score_block`, in a process that is killed once, after it wrote the part and before it could say so."""
    result = score_block(job, block)
    mark = Path(job.folder.parent.uri, f"died-{block.index}")
    if block.index % 3 == 0 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def half(rows: pd.DataFrame) -> pd.DataFrame:
    """A function over rows that leaves some out."""
    return (rows[["x"]] / 2)[rows["x"] > 2]


def totals(rows: pd.DataFrame) -> pd.DataFrame:
    """A function over a group."""
    return pd.DataFrame({"rows": [len(rows)], "total": [rows["y"].sum()]})


def sums(rows: pd.DataFrame) -> pd.DataFrame:
    """Another one."""
    return pd.DataFrame({"total": [rows["a"].sum()]})


def die_once_and_tell(folder: str) -> bool:
    """Kill this process the first time; the second time, return whether the call says that it may be a rerun."""
    mark = Path(folder, "died")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return may_be_a_rerun()
