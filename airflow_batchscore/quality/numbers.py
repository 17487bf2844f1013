"""Converts ordered values to floats: decimals, dates, times and numbers that pandas stores as objects."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_DAY = 86400.0
_EPOCH = date(1970, 1, 1).toordinal()


def as_numbers(column: pd.Series) -> np.ndarray:
    """A float for each value that is not missing, or NaN if it has no numeric order, such as text or a Boolean.

    Times are in seconds: instants since 1970, times of day since midnight. Categories are names.
    """
    import numpy as np
    import pandas as pd

    present = column.dropna()
    if isinstance(column.dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return np.full(len(present), np.nan)
    return np.array([_number(value) for value in present.astype(object)], dtype=float)


def _number(value: object) -> float:
    import numpy as np

    if isinstance(value, (bool, np.bool_)):
        return np.nan
    if isinstance(value, np.datetime64):
        value = value - np.datetime64(0, "s")
    if isinstance(value, np.timedelta64):  # numpy counts it among the whole numbers
        return float(value / np.timedelta64(1, "s"))
    if isinstance(value, (Real, Decimal)):
        return float(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return (value.toordinal() - _EPOCH) * _DAY
    if isinstance(value, time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    return value.total_seconds() if isinstance(value, timedelta) else np.nan
