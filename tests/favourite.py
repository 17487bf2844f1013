"""A user's first case: whether the favourite won, by the lead in ranking points, from which it follows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.linear_model import LogisticRegression
from support import KEYS

from airflow_batchscore import Recipe


def features(matches: pd.DataFrame) -> pd.DataFrame:
    """Matches in which either player has no ranking points are skipped."""
    lead = matches["winner_rank_points"] - matches["loser_rank_points"]
    return lead.dropna().to_frame("rank_points_lead")


def favourite_won(matches: pd.DataFrame) -> pd.Series:
    return matches["winner_rank_points"] > matches["loser_rank_points"]


RECIPE = Recipe(
    features="favourite:features",
    target="favourite:favourite_won",
    keys=KEYS,
    columns=["winner_rank_points", "loser_rank_points"],
)


def plain_model(folder: Path) -> tuple[Any, int]:
    """Plain scikit-learn, trained on 2015, and on how many rows."""
    lead = _read(folder, 2015)[1]
    return LogisticRegression().fit(lead, lead["rank_points_lead"] > 0), len(lead)


def plain_predictions(folder: Path, years: Sequence[int]) -> pd.DataFrame:
    """Its predictions, without this package."""
    model, _ = plain_model(folder)
    read = [_read(folder, year) for year in years]
    return pd.concat([raw[KEYS].assign(prediction=model.predict(lead)) for raw, lead in read], ignore_index=True)


def _read(folder: Path, year: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    raw = pd.read_csv(folder / f"wta_matches_{year}.csv", dtype=dict.fromkeys(KEYS, str))
    lead = features(raw)
    return raw.loc[lead.index], lead
