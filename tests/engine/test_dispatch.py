"""Blocks on a Dask scheduler: a few at once, the first error ends it, a dead worker's block is run again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest

from airflow_batchscore import DaskCluster, LocalDask
from airflow_batchscore.engine.base import WorkerLostError
from airflow_batchscore.engine.dispatch import run_on

pytestmark = [pytest.mark.unit, pytest.mark.slow]


class Item:
    """An argument with a name, as blocks have."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"block {number}"


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    """Two workers in this process."""
    place = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **place) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_arguments_are_taken_a_few_at_a_time(client: distributed.Client) -> None:
    taken, most_ahead = [], 0

    class Watched(list[tuple[int]]):
        def __iter__(self) -> Iterator[tuple[int]]:
            for argument in super().__iter__():
                taken.append(argument)
                yield argument

    for finished, _ in enumerate(run_on(client, abs, Watched((n,) for n in range(20)), in_flight=lambda: 3), start=1):
        most_ahead = max(most_ahead, len(taken) - finished)
    assert len(taken) == 20
    assert most_ahead <= 3


def test_results_do_not_wait_for_arguments_that_take_time_to_make(client: distributed.Client) -> None:
    made = 0

    def arguments() -> Iterator[tuple[int]]:
        nonlocal made
        for made in range(1, 201):
            time.sleep(0.01)  # as listing the files of a partition in a store takes
            yield (made,)

    with contextlib.closing(run_on(client, abs, arguments(), in_flight=lambda: 1000)) as results:
        next(results)
        assert made < 200
        assert len(list(results)) == 199


def test_nothing_to_do_gives_nothing(client: distributed.Client) -> None:
    assert list(run_on(client, abs, [], in_flight=lambda: 3)) == []


def test_equal_arguments_are_each_run(client: distributed.Client) -> None:
    assert list(run_on(client, abs, [(-1,)] * 4, in_flight=lambda: 2)) == [1] * 4


_ran: list[int] = []
_raised = threading.Event()


def _fail_first(number: int) -> None:
    """The others are not done before the caller has the error."""
    if number == 0:
        raise ValueError("block 0 is bad")
    _raised.wait(60)
    _ran.append(number)


def test_nothing_is_taken_after_the_first_error(client: distributed.Client) -> None:
    with pytest.raises(ValueError, match="block 0 is bad"):
        list(run_on(client, _fail_first, [(n,) for n in range(100)], in_flight=lambda: 10))
    _raised.set()
    assert client.submit(abs, -1).result(60) == 1
    assert len(_ran) <= 9


def die_once(item: Item, folder: str) -> int:
    """Kills its worker process the first time."""
    mark = Path(folder) / str(item.number)
    if item.number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item.number


def always_die(folder: str, item: Item) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_its_item_run_again(tmp_path: Path) -> None:
    with LocalDask(workers=1, processes=True).session() as session:
        assert sorted(session.run(die_once, [(Item(n), str(tmp_path)) for n in range(4)])) == [0, 1, 2, 3]


@pytest.mark.slow
def test_an_item_that_always_kills_its_worker_is_named(tmp_path: Path) -> None:
    with (
        LocalDask(workers=1, processes=True).session() as session,
        pytest.raises(WorkerLostError, match="block 7: the worker died 3 times.*block_rows"),
    ):
        list(session.run(always_die, [(str(tmp_path), Item(7))]))


def _late() -> None:
    raise TimeoutError("of the function")


def test_a_time_limit_of_the_function_is_not_taken_for_one_of_the_cluster(client: distributed.Client) -> None:
    with (
        DaskCluster(address=client.cluster.scheduler_address, patience=60).session() as session,
        pytest.raises(TimeoutError, match="of the function"),
    ):
        list(session.run(_late, [()]))
