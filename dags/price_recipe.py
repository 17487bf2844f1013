"""Prices whose level moves from month to month. Imported by workers, so it imports no Airflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

MONTHS = [f"2026-{month:02d}" for month in range(1, 7)]


def make_data(folder: str, rows: int = 2_000) -> str:
    """``prices_<month>.csv`` for six months: `id`, `area`, `rooms`, `price`, which rises faster than its features say.

    Existing files are left alone.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number, month in enumerate(MONTHS):
        path = Path(folder, f"prices_{month}.csv")
        if not path.exists():
            chance = np.random.default_rng(number)
            area = chance.uniform(30, 150, rows)
            rooms = np.ceil(area / 30)
            price = (2000 + 15 * number**2) * area + 5000 * rooms + chance.normal(0, 8000, rows)
            sold = pd.DataFrame({"id": np.arange(rows) + rows * number, "area": area, "rooms": rooms, "price": price})
            sold.round(2).to_csv(path.with_suffix(".tmp"), index=False)
            path.with_suffix(".tmp").replace(path)
    return f"SYNTHETIC prices, {rows:,} a month, a fixed seed"
