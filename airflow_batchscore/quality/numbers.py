"""Values that lie on a line, as floats: decimals, dates, times and numbers that pandas keeps as objects."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_DAY = 86400.0
_EPOCH = date(1970, 1, 1).toordinal()


def as_numbers(column: pd.Series) -> np.ndarray:
    """A float for each value that is there, NaN for one that lies on no line, such as a text or a truth value.

    Times are seconds: an instant's since 1970, that of a time of day since midnight. Categories are names.
    """
    import numpy as np
    import pandas as pd

    present = column.dropna()
    if isinstance(column.dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return np.full(len(present), np.nan)
    return np.array([_number(value) for value in present.astype(object)], dtype=float)


def _number(value: Any) -> float:
    import numpy as np

    if isinstance(value, (bool, np.bool_)):
        return np.nan
    if isinstance(value, (Real, Decimal)):
        return float(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return (value.toordinal() - _EPOCH) * _DAY
    if isinstance(value, time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    return value.total_seconds() if isinstance(value, timedelta) else np.nan
