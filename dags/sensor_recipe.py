"""Readings of many sensors. Imported by workers, so it imports no Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: Readings per day, one per minute.
MINUTES = 1440
DEVICES = 20
FAULTY = 10  # every FAULTY-th sensor misbehaves on the days that are scored


def make_data(folder: str, sensors: int, days: list[str]) -> str:
    """``<device>/<sensor>/<day>.csv``: temperature and vibration, always the same. The first day has no faults.

    Existing files are left alone. Returns one line that describes the data.
    """
    for number in range(sensors):
        place = Path(folder, f"device{number % DEVICES:02d}", f"sensor{number:04d}")
        place.mkdir(parents=True, exist_ok=True)
        for day_number, day in enumerate(days):
            path = place / f"{day}.csv"
            if not path.exists():
                _day(number, day_number, day).to_csv(path.with_suffix(".tmp"), index=False, float_format="%.3f")
                path.with_suffix(".tmp").replace(path)
    return f"SYNTHETIC readings of {sensors} sensors, {MINUTES} a day, {len(days)} days, a fixed seed"


def _day(number: int, day_number: int, day: str) -> pd.DataFrame:
    chance = np.random.default_rng([number, day_number])
    minute = np.arange(MINUTES)
    temperature = 20 + number % 7 + 3 * np.sin(minute / MINUTES * 2 * np.pi) + chance.normal(0, 0.3, MINUTES)
    vibration = 0.5 + number % 3 / 10 + chance.gamma(2, 0.05, MINUTES)
    if day_number and number % FAULTY == 0:
        vibration[900:960] += 1.5
    time = pd.date_range(day, periods=MINUTES, freq="min").strftime("%Y-%m-%dT%H:%M")
    return pd.DataFrame({"time": time, "temperature": temperature, "vibration": vibration})


def one_class_svm() -> Any:
    """One model per sensor: what is normal, as the region that holds all but one in a hundred readings."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import OneClassSVM

    return make_pipeline(StandardScaler(), OneClassSVM(nu=0.01, gamma=0.5))
