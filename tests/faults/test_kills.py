"""A short form of the kill harness: a few kills of every kind. `make test-faults` makes two hundred and more."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from harness import CASES, Server

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.mark.parametrize("name", list(CASES))
def test_a_killed_stage_is_finished_by_its_retry(server: Server, name: str) -> None:
    _, run = CASES[name]
    row = run(server, 2, random.Random(7))
    assert row.clean, row
