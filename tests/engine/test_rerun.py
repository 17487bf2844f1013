"""Which calls may have run before: the engine that makes them says so."""

from __future__ import annotations

import threading

import pytest

from airflow_batchscore import LocalDask
from airflow_batchscore.engine.rerun import call_again, may_be_a_rerun

pytestmark = pytest.mark.unit


def seen(_: int) -> bool:
    return may_be_a_rerun()


def fail() -> None:
    assert may_be_a_rerun()
    raise ValueError("the block is bad")


def test_a_call_is_a_rerun_only_inside_call_again_and_in_its_thread() -> None:
    elsewhere: list[bool] = []

    def inside() -> bool:
        thread = threading.Thread(target=lambda: elsewhere.append(may_be_a_rerun()))
        thread.start()
        thread.join(60)
        return may_be_a_rerun()

    assert not may_be_a_rerun()
    assert call_again(inside)
    assert elsewhere == [False]
    with pytest.raises(ValueError, match="the block is bad"):
        call_again(fail)
    assert not may_be_a_rerun()


@pytest.mark.parametrize("processes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_cluster_may_rerun_a_call_and_threads_of_the_task_do_not(processes: bool) -> None:
    with LocalDask(workers=1, processes=processes).session() as session:
        assert list(session.run(seen, [(1,), (2,)])) == [processes, processes]
