"""How tennis matches become model input. Imported by workers, so it imports no Airflow."""

from __future__ import annotations

import pandas as pd


def features(matches: pd.DataFrame) -> pd.DataFrame:
    """The winner's lead in ranking points; matches in which either player has none are skipped."""
    lead = matches["winner_rank_points"] - matches["loser_rank_points"]
    return lead.dropna().to_frame("rank_points_lead")


def favourite_won(matches: pd.DataFrame) -> pd.Series:
    """The label: whether the player with more ranking points won."""
    return matches["winner_rank_points"] > matches["loser_rank_points"]
