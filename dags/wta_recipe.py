"""How tennis matches become model input. Imported by workers, so it imports no Airflow.

A match of the files names a winner and a loser, which is what is to be predicted. So its players are put into an order
that does not know the result: the first is the one with the lower id. Features are the first player's leads over the
second, and the label is whether the first won.
"""

from __future__ import annotations

from typing import Any

import pandas as pd


def features(matches: pd.DataFrame) -> pd.DataFrame:
    """The first player's lead in rank, ranking points, age and height.

    Matches in which either player has no ranking points are skipped. An unknown age or height counts as no lead.
    """
    matches = matches.dropna(subset=["winner_rank_points", "loser_rank_points"])
    first = first_won(matches)
    leads = {}
    for name in ("rank", "rank_points", "age", "ht"):
        lead = matches[f"winner_{name}"] - matches[f"loser_{name}"]
        leads[f"{name}_lead"] = lead.where(first, -lead).fillna(0.0)
    return pd.DataFrame(leads)


def first_won(matches: pd.DataFrame) -> pd.Series:
    """The label: whether the player with the lower id won."""
    return matches["winner_id"] < matches["loser_id"]


def classifier() -> Any:
    """Logistic regression, on leads of one scale: ranking points differ by thousands, ages by a few years."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())
