"""A short form of the fuzzer: some cases, the same in every run. `make test-fuzz` tries others for twenty minutes."""

from __future__ import annotations

from collections import Counter

import pytest
import run

pytestmark = [pytest.mark.unit, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("number", range(4))
def test_what_is_published_equals_plain_pandas(number: int) -> None:
    counts: Counter[str] = Counter()
    found = run.series(number, counts, examples=15)
    assert found is None, f"{found[1]}\npython tests/fuzz/run.py --case '{found[0]}'" if found else ""
    assert counts["equal rows"] > 0
