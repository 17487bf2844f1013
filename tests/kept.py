"""What tasks keep for pages: one value of each kind."""

from __future__ import annotations

from airflow_batchscore.publish.progress import Failure, GateResult, Progress
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.check import Check
from airflow_batchscore.scoring.tally import SlowBlock

PROGRESS = Progress(
    try_number=2,
    started="2026-11-22T10:00:00+00:00",
    seconds=1.5,
    start_up=0.5,
    dataset="/in/{p}.csv",
    output="/staged",
    model="v1",
    engine="LocalDask, 2 threads",
    workers=2,
    memory=1 << 30,
    blocks=3,
    blocks_total=9,
    account=Account(30, 28, 1, 1),
    rows_before=10,
    done=[[0, 4]],
    current=[5],
    slowest=[SlowBlock("p=1", 3, 10, 0.5)],
)
FAILURE = Failure(1, "InputError", "no such column", retried=False)
GATE = GateResult([Check("models", "1", "1"), Check("parts", "1", "2", "one is gone")])
