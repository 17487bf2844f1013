"""Looks that triggers share: real threads on a real event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from airflow_batchscore.triggers.looks import Looks

pytestmark = pytest.mark.unit


class Store:
    """Answers with the number of the call; while it is `dead`, not at all."""

    def __init__(self, *, dead: bool = False) -> None:
        self.calls = 0
        self.alive = threading.Event()
        if not dead:
            self.alive.set()

    def __call__(self) -> int:
        self.calls += 1
        number = self.calls
        self.alive.wait(60)
        return number


def _run(play: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await play()

    return asyncio.run(main())


def test_those_who_ask_for_the_same_share_a_look_and_later_ones_do_not() -> None:
    looks, store, other = Looks(), Store(), Store()

    async def play() -> None:
        many = await asyncio.gather(*(looks.look("a", store, max_age=60) for _ in range(1000)))
        assert {answer for answer, _ in many} == {1}
        assert (await looks.look("b", other, max_age=60))[0] == 1
        answer, began = await looks.look("a", store, max_age=0)
        assert answer == 2
        assert many[0][1] <= began <= time.time()

    _run(play)
    assert (store.calls, other.calls) == (2, 1)


def test_an_error_is_shared_and_is_not_the_end() -> None:
    looks = Looks()

    def down() -> None:
        raise OSError("down")

    async def play() -> Any:
        for _ in range(2):
            with pytest.raises(OSError, match="down"):
                await looks.look("a", down, max_age=0)
        return (await looks.look("a", Store(), max_age=0))[0]

    assert _run(play) == 1


def test_a_dead_store_holds_one_thread_and_is_an_error_after_a_while() -> None:
    looks, dead = Looks(seconds=0.3), Store(dead=True)

    async def play() -> int:
        for _ in range(5):
            with pytest.raises(OSError, match="has not answered"):
                await looks.look("a", dead, max_age=0)
        calls = dead.calls
        dead.alive.set()
        answer = 1
        while answer == 1:
            with suppress(OSError):  # until the thread wakes
                answer, _ = await looks.look("a", dead, max_age=0)
        return calls

    assert _run(play) == 1


def test_many_dead_stores_do_not_stand_in_the_way_of_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_batchscore.triggers.looks._QUICK_SECONDS", 0.2)
    looks, stores = Looks(at_once=4), [Store(dead=True) for _ in range(12)]

    async def play() -> int:
        waiting = [asyncio.create_task(looks.look(str(n), store, max_age=0)) for n, store in enumerate(stores)]
        await asyncio.sleep(0)
        answer, _ = await looks.look("alive", Store(), max_age=0)
        assert not any(task.done() for task in waiting)
        for store in stores:
            store.alive.set()
        await asyncio.gather(*waiting)
        return int(answer)

    assert _run(play) == 1


def test_threads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, stores = Looks(threads=3), [Store(dead=True) for _ in range(3)]

    async def play() -> None:
        waiting = [asyncio.create_task(looks.look(str(n), store, max_age=0)) for n, store in enumerate(stores)]
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="3 looks at other datasets wait"):
            await looks.look("one more", Store(), max_age=0)
        for store in stores:
            store.alive.set()
        await asyncio.gather(*waiting)
        assert (await looks.look("one more", Store(), max_age=0))[0] == 1

    _run(play)
