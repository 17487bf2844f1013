"""A model as its bytes give it back, which is the one that will score.

What a format leaves out (a parameter of a wrapper, a case that a converter does not know) is wrong in every score and
in no metric of the fitted estimator. So the bytes are loaded again at once, and each method must give the same as the
fitted one; metrics, columns and profiles are then taken from what was loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.likeness import first_unlike, tried
from airflow_batchscore.model.measure import results
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.row_wise import first_difference

if TYPE_CHECKING:
    import pandas as pd

    from airflow_batchscore.model.flavors import Flavor

_SAMPLE_ROWS = 200
#: Columns whose extremes and missing values are looked at: a sentinel such as -999 is often the smallest value.
_MOST_COLUMNS = 50
_MISSING_ROWS = 3
#: Columns that one missing value a row is tried in, where not all can lack one.
_MOST_ALONE = 20
#: Formats that keep every number as it is. The others, and those of somebody else, may calculate in float32.
_EXACT = {"joblib", "skops", "xgboost", "lightgbm", "mlflow"}
#: No round number: thresholds of trees lie in the middle between two rows, where float32 may go the other way.
_SHARE = 0.618


class Saved(NamedTuple):
    """An estimator's bytes, and what they load as."""

    data: bytes
    estimator: Any


def save_and_load(estimator: Any, kind: Flavor, features: pd.DataFrame, *more: pd.DataFrame) -> Saved:
    """Write a fitted estimator down, and load what was written.

    Args:
        features: rows that it was fitted on.
        more: other rows that both must give the same for.

    Raises:
        ModelError: it cannot be written or loaded, or what was loaded gives something else for a row.
    """
    data = kind.dump(estimator, features)
    try:
        loaded = artifact.unwrap(kind.load(data, _types(kind, data)))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{type(estimator).__name__} cannot be loaded from what {kind.name} wrote: {type(error).__name__}: {error}"
        ) from error
    _compare(estimator, loaded, kind, [features, *more])
    return Saved(data, loaded)


def _types(kind: Flavor, data: bytes) -> Sequence[str]:
    """Types in what this process has just written: it made them itself, so that it can trust them."""
    if kind.name != "skops":
        return ()
    import skops.io

    found: Sequence[str] = skops.io.get_untrusted_types(data=data)
    return found


def _compare(estimator: Any, loaded: Any, kind: Flavor, frames: Sequence[pd.DataFrame]) -> None:
    pair = _Pair(estimator, loaded, kind)
    samples = [frame.iloc[_chosen(frame)] for frame in frames if len(frame)]
    for rows in [*samples, _between(samples[0])]:
        pair.compare(rows)
    lacking = _lacking(samples[0])
    if not pair.compare(lacking, may_refuse=True):  # all at once fail where one column must have its value
        for row in range(min(_MOST_ALONE, len(lacking))):
            pair.compare(lacking.iloc[row : row + 1], may_refuse=True)


class _Pair(NamedTuple):
    """A fitted estimator, and what its bytes load as."""

    estimator: Any
    loaded: Any
    kind: Flavor

    def compare(self, rows: pd.DataFrame, *, may_refuse: bool = False) -> bool:
        """Hold each method of one to the other's. Whether the fitted one took the rows.

        Args:
            may_refuse: the loaded one may raise for such rows, which are no wrong scores then.
        """
        taken = False
        for method in METHODS if len(rows) else ():
            expected = tried(self.estimator, method, rows) if hasattr(self.loaded, method) else None
            if expected is None:
                continue
            taken = True
            try:
                found = results(self.loaded, rows, method)
            except Exception as error:
                if may_refuse:
                    continue
                raise self._differs(f"{method} raises {type(error).__name__}: {error}") from error
            self._same(method, rows, expected, found)
        return taken

    def _same(self, method: str, rows: pd.DataFrame, expected: pd.DataFrame, found: pd.DataFrame) -> None:
        if list(expected.columns) != list(found.columns):
            raise self._differs(f"{method} gives {list(found.columns)}, not {list(expected.columns)}")
        different = first_difference(expected, found)
        if different is not None and self.kind.name not in _EXACT:
            different = first_unlike(self.estimator, method, rows, expected, found, ties=True)
        if different is None:
            return
        again = tried(self.estimator, method, rows)
        if again is None or first_difference(expected, again) is not None:
            return  # it never gives the same twice: whether that may be is for `row_wise` to say
        name, place = different
        one, other = (frame[name].iloc[place] for frame in (found, expected))
        row = {key: str(value) for key, value in list(rows.iloc[place].items())[:_MOST_ALONE]}
        raise self._differs(f"{method} gives {one!r}, not {other!r}, for the row {row}")

    def _differs(self, what: str) -> ModelError:
        return ModelError(
            f"{type(self.estimator).__name__} is another model when it is loaded from what {self.kind.name} wrote: "
            f"{what}. Nothing was saved, as every score would be that of the other one. Choose another flavour "
            "(flavor='joblib' keeps whatever pickles), or leave out what this one cannot hold"
        )


def _between(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows between two of those that it was fitted on, for which a model that remembers them cannot look them up."""
    made = rows.copy()
    for place in _floats(rows):
        values = rows.iloc[:, place].to_numpy()
        made.isetitem(place, values * _SHARE + values[::-1] * (1 - _SHARE))
    return made


def _lacking(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that lack one value each, which scoring may meet before any training row did."""
    import numpy as np

    places = _floats(rows)[:_MOST_COLUMNS]
    made = rows.iloc[np.arange(len(places)) % len(rows)].copy()
    for row, place in enumerate(places):
        values = made.iloc[:, place].to_numpy(copy=True)
        values[row] = np.nan
        made.isetitem(place, values)
    return made


def _floats(rows: pd.DataFrame) -> list[int]:
    import numpy as np

    return [place for place, dtype in enumerate(rows.dtypes) if isinstance(dtype, np.dtype) and dtype.kind == "f"]


def _chosen(frame: pd.DataFrame) -> list[int]:
    """Numbers of some rows: evenly spaced ones, those with the extremes of a column, and some that lack a value."""
    import numpy as np

    chosen = set(np.linspace(0, len(frame) - 1, min(_SAMPLE_ROWS, len(frame))).astype(int).tolist())
    for place, dtype in enumerate(frame.dtypes[:_MOST_COLUMNS]):
        column = frame.iloc[:, place]
        missing = column.isna().to_numpy()
        chosen.update(np.flatnonzero(missing)[:_MISSING_ROWS].tolist())
        if isinstance(dtype, np.dtype) and dtype.kind in "iuf" and not missing.all():
            values = column.to_numpy()
            chosen.update((int(np.nanargmin(values)), int(np.nanargmax(values))))
    return sorted(chosen)
