"""What both DAGs of the end-to-end benchmark learn from: a label that follows from the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FEATURES = [f"f{number}" for number in range(8)]


def label(frame: pd.DataFrame) -> pd.Series:
    """1 for about half of the rows, 0 for the others."""
    return (frame["f0"] + 0.7 * frame["f1"] - 0.5 * frame["f2"] > 0).astype(int)
