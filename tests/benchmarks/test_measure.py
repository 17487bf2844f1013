"""Waiting for a quiet machine has a limit; a bare pool returns what an engine must."""

from __future__ import annotations

import sys
from pathlib import Path

import measure
import pytest
from commands import run_command
from pool import ThreadPool

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent


def test_patience_ends() -> None:
    patience = measure.Patience(10)
    assert patience.may_repeat(6)
    assert not patience.may_repeat(6)
    assert (patience.left, patience.repeated) == (4, 1)


def test_a_machine_that_is_never_quiet_is_waited_for_no_longer_than_patience_lasts() -> None:
    patience = measure.Patience(0.05)
    patience.wait(limit=-1, span=0.02)  # nothing is as quiet as that
    assert patience.left <= 0


@pytest.mark.slow
def test_a_run_is_measured_when_patience_is_over_too() -> None:
    # In a process of its own: it becomes the parent of whatever its children leave behind.
    code = "import measure, sys; print(measure.run_quiet([sys.executable, '-c', 'pass'], measure.Patience(0))['rc'])"
    done = run_command([sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True)
    assert done.stdout == "0\n", done.stderr


def test_the_bare_pool_returns_a_result_for_each_call_and_takes_arguments_as_it_goes() -> None:
    taken = []

    def arguments():
        for number in range(20):
            taken.append(number)
            yield (number, 2)

    with ThreadPool().session() as session:
        results = session.run(pow, arguments())
        first = next(results)
        assert len(taken) < 20
        assert sorted([first, *results]) == [number**2 for number in range(20)]


def test_the_bare_pool_raises_what_a_call_raised() -> None:
    def fail(number: int) -> None:
        raise ValueError(number)

    with ThreadPool().session() as session, pytest.raises(ValueError, match="7"):
        list(session.run(fail, [(7,)]))
