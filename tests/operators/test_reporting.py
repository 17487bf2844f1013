"""What a scoring task says while it works."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

import pytest
from operator_calls import Store

from airflow_batchscore.engine.base import Capacity
from airflow_batchscore.operators import reporting
from airflow_batchscore.operators.reporting import Work, reported
from airflow_batchscore.operators.task_store import TaskStore
from airflow_batchscore.publish.progress import Progress
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.tally import Tally

pytestmark = pytest.mark.dag

WORK = Work(2, "/in/{p}.csv", "/staged", "v1", Capacity("LocalDask, 2 threads", 2, 3 << 30), 3, 14_600)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "_STORE_SECONDS", 0.01)
    monkeypatch.setattr(reporting, "_LOG_SECONDS", 0.05)


@pytest.mark.usefixtures("quick")
def test_progress_is_stored_while_the_task_works_and_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    store, tally = Store(), Tally(3)
    with caplog.at_level(logging.INFO), reported(WORK, tally, TaskStore({"task_state_store": store})):
        tally.began(0, 4, 1, Account(10, 10))
        while "blocks (" not in caplog.text:
            time.sleep(0.01)
        running = Progress.from_dict(store["batchscore_progress"])
        tally.committed(0)
    ended = Progress.from_dict(store["batchscore_progress"])
    assert running is not None
    assert ended is not None
    assert (running.try_number, running.model, running.engine, running.workers) == (2, "v1", "LocalDask, 2 threads", 2)
    assert (running.blocks, running.blocks_total, running.rows_before) == (1, 12, 10)
    assert (running.current, ended.current, ended.done) == ([0], [], [[0, 0]])
    assert running.memory
    first, *_, last = [record.getMessage() for record in caplog.records if record.name == reporting.__name__]
    assert first == "scoring 3 partitions (14.6 kB) with model v1; LocalDask, 2 threads, at most 3.22 GB of memory"
    assert last.startswith("10 rows read (10 of them were there already) = 10 scored + 0 skipped + 0 in quarantine, in")


def test_a_line_says_how_much_is_done_and_how_long_the_rest_will_take() -> None:
    tally = Tally(1)
    tally.began(0, 10, 2, Account(200, 200))
    found = tally.count()
    assert reporting._line(found, 2) == "200 rows, 2 of 10 blocks (20%), 0 rows/s"
    rows = Account(1_500_000, 1_500_000)
    count = replace(found, blocks=5, own_blocks=5, account=rows, rows_before=0, seconds=120.0, first=60.0)
    line = "1,500,000 rows, 5 of 10 blocks (50%), 12,500 rows/s"
    assert reporting._line(count, 2) == f"{line}, about 1 min 40 s left"
    assert reporting._line(count, 5) == line, "only the first block of each worker was scored: there is no pace yet"


@pytest.mark.usefixtures("quick")
def test_a_store_that_does_not_answer_does_not_hold_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "_PATIENCE_SECONDS", 0.05)
    hangs = threading.Event()

    class Silent(Store):
        def set(self, key: str, value: object) -> None:
            hangs.wait(60)

    with reported(WORK, Tally(3), TaskStore({"task_state_store": Silent()})):
        pass
    assert not hangs.is_set()
    hangs.set()


def test_a_task_that_fails_has_no_line_of_its_end(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(OSError, match="gone"), reported(WORK, Tally(3), TaskStore({})):
        raise OSError("gone")
    assert [record.getMessage()[:7] for record in caplog.records if record.name == reporting.__name__] == ["scoring"]
