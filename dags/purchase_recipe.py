"""Who buys the next game: 0/1 columns of the games that a user owns. Imported by workers, so it imports no Airflow."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

GAMES = [f"G{n}" for n in range(1, 11)]


def make_data(folder: str, users: int = 20_000) -> str:
    """``games.csv``: the table that ``GAMES_CSV`` names, else made with a fixed seed.

    Rows without a `user_id` are known by their number in the file, from 0. An existing file is left alone. Returns one
    line that describes the data.
    """
    named = os.environ.get("GAMES_CSV")
    table = pd.read_csv(named) if named else synthetic(users)
    if "user_id" not in table:
        table["user_id"] = range(len(table))
    path = Path(folder, "games.csv")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path.with_suffix(".tmp"), index=False)
        path.with_suffix(".tmp").replace(path)
    return f"games of {named}" if named else f"SYNTHETIC table of {users:,} users, a fixed seed"


def synthetic(users: int) -> pd.DataFrame:
    """`user_id`, ownership of ten games, and whether the user bought the next one."""
    chance = np.random.default_rng(10)
    owned = (chance.random((users, len(GAMES))) < chance.uniform(0.1, 0.6, len(GAMES))).astype(int)
    lean = owned @ chance.normal(0, 1.2, len(GAMES)) - 0.5
    label = (chance.random(users) < 1 / (1 + np.exp(-lean))).astype(int)
    return pd.DataFrame(owned, columns=GAMES).assign(user_id=np.arange(1, users + 1), label=label)
