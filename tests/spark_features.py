"""A recipe that workers of every kind can import."""

from __future__ import annotations

import pandas as pd


def present(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a", "b"]].dropna(subset=["b"])
