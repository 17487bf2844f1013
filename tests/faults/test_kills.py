"""A short form of the kill harness: a few kills of every kind. `make test-faults` makes two hundred and more."""

from __future__ import annotations

import random

import pytest
from harness import CASES

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("name", list(CASES))
def test_a_killed_stage_is_finished_by_its_retry(name: str) -> None:
    _, run = CASES[name]
    row = run(2, random.Random(7))
    assert row.clean, row
