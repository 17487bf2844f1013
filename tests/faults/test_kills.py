"""A short form of the kill harness: a kill of every kind, and runs that disturb each other for a moment.

`make test-faults` makes hundreds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from harness import CASES, Server
from interleavings import OUTPUTS, interleaved

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.mark.parametrize("name", list(CASES))
def test_a_killed_stage_is_finished_by_its_retry(server: Server, name: str) -> None:
    _, run = CASES[name]
    row = run(server, 1, random.Random(7))
    assert row.clean, row


@pytest.mark.parametrize("output", OUTPUTS)
def test_runs_that_are_stopped_killed_and_cleared_never_publish_wrong_lost_or_stale_scores(
    server: Server, output: str
) -> None:
    row = interleaved(server, output, 8, random.Random(3))
    assert row.clean, row
