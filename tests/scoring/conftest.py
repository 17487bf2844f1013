"""The rows that functions are applied to, and those that a model scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from applied import ROWS
from support import Small, good_rows, small


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    """Rows of 40 sites in no order; some without a value, some without a site."""
    chance = np.random.default_rng(0)
    made = pd.DataFrame(
        {"id": np.arange(ROWS), "site": chance.integers(0, 40, ROWS), "value": chance.normal(size=ROWS)}
    )
    made["site"] = made["site"].astype("Int64").mask(chance.random(ROWS) < 0.02)
    made["value"] = made["value"].mask(chance.random(ROWS) < 0.05)
    made.to_csv(tmp_path / "part_1.csv", index=False)
    return made


@pytest.fixture
def data(tmp_path: Path) -> Small:
    """Partition 1 of 500 rows, and the model that scores it."""
    made = small(tmp_path)
    made.add(1, good_rows(500, 1000))
    return made
