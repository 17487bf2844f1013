"""A model as reloaded from its bytes, which is the one that will score.

What a format loses (a parameter of a wrapper, a case that a converter does not support) is wrong in every score but in
no metric of the fitted estimator. So the bytes are reloaded at once, and each method must return the same as the fitted
one; metrics, columns and profiles are then taken from the reloaded estimator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.estimators import unwrap
from airflow_batchscore.model.outputs import METHODS
from airflow_batchscore.model.row_wise import first_difference, plain
from airflow_batchscore.training.likeness import first_unlike, tried
from airflow_batchscore.training.signature import results

if TYPE_CHECKING:
    import pandas as pd

    from airflow_batchscore.model.flavors import Flavor

_SAMPLE_ROWS = 200
#: Columns whose extremes and missing values are tested: a sentinel such as -999 is often the smallest value.
_MOST_COLUMNS = 50
_MISSING_ROWS = 3
#: Columns tested with one missing value per row, if not all can have one.
_MOST_ALONE = 20
#: Not a round number: tree thresholds lie midway between two rows, where float32 may take the other branch.
_SHARE = 0.618


class Saved(NamedTuple):
    """An estimator's bytes, and the estimator loaded from them."""

    data: bytes
    estimator: object


def save_and_load(estimator: object, kind: Flavor, features: pd.DataFrame, *more: pd.DataFrame) -> Saved:
    """Serialise a fitted estimator and load it again.

    Args:
        features: rows it was fitted on.
        more: other rows for which both must return the same.

    Raises:
        ModelError: it cannot be serialised or loaded, or the loaded one returns something else for a row.
    """
    data = kind.dump(estimator, features)
    try:  # this process has made the bytes itself, so it trusts their types
        loaded = unwrap(kind.load(data, kind.unknown_types(data)))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{type(estimator).__name__} cannot be loaded from what {kind.name} wrote: {type(error).__name__}: {error}"
        ) from error
    _compare(estimator, loaded, kind, [features, *more])
    return Saved(data, loaded)


def _compare(estimator: object, loaded: object, kind: Flavor, frames: Sequence[pd.DataFrame]) -> None:
    pair = _Pair(estimator, loaded, kind)
    samples = [frame.iloc[_chosen(frame)] for frame in frames if len(frame)]
    for rows in [*samples, _between(samples[0])]:
        pair.compare(rows)
    lacking = _lacking(samples[0])
    if not pair.compare(lacking, may_refuse=True):  # together they fail if one column requires a value
        for row in range(min(_MOST_ALONE, len(lacking))):
            pair.compare(lacking.iloc[row : row + 1], may_refuse=True)


class _Pair(NamedTuple):
    """A fitted estimator, and the one loaded from its bytes."""

    estimator: object
    loaded: object
    kind: Flavor

    def compare(self, rows: pd.DataFrame, *, may_refuse: bool = False) -> bool:
        """Compare the two, method by method. Returns whether the fitted one accepted the rows.

        Args:
            may_refuse: the loaded one may raise for such rows, which then get no wrong scores.
        """
        taken = False
        for method in METHODS if len(rows) else ():
            expected = tried(self.estimator, method, rows) if hasattr(self.loaded, method) else None
            if expected is None:
                continue
            taken = True
            try:
                actual = results(self.loaded, rows, method)
            except Exception as error:
                if may_refuse:
                    continue
                raise self._differs(f"{method} raises {type(error).__name__}: {error}") from error
            self._same(method, rows, expected, actual)
        return taken

    def _same(self, method: str, rows: pd.DataFrame, expected: pd.DataFrame, actual: pd.DataFrame) -> None:
        if list(expected.columns) != list(actual.columns):
            raise self._differs(f"{method} gives {list(actual.columns)}, not {list(expected.columns)}")
        different = first_difference(expected, actual)
        if different is not None and not self.kind.exact:
            different = first_unlike(self.estimator, method, rows, expected, actual, ties=True)
        if different is None:
            return
        again = tried(self.estimator, method, rows)
        if again is None or first_difference(expected, again) is not None:
            return  # results are never the same twice: `row_wise` decides whether that is allowed
        name, place = different
        value, wanted = (plain(frame[name].iloc[place]) for frame in (actual, expected))
        row = {key: str(value) for key, value in list(rows.iloc[place].items())[:_MOST_ALONE]}
        raise self._differs(f"{method} gives {value!r}, not {wanted!r}, for the row {row}")

    def _differs(self, what: str) -> ModelError:
        return ModelError(
            f"{type(self.estimator).__name__} is another model when it is loaded from what {self.kind.name} wrote: "
            f"{what}. Nothing was saved, as every score would be that of the other one. Choose another flavour "
            "(flavor='joblib' keeps whatever pickles), or leave out what this one cannot hold"
        )


def _between(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows between two training rows, so that a model that memorises those cannot look them up."""
    made = rows.copy()
    for place in _floats(rows):
        values = rows.iloc[:, place].to_numpy()
        made.isetitem(place, values * _SHARE + values[::-1] * (1 - _SHARE))
    return made


def _lacking(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with one missing value each, which scoring may encounter although no training row had one."""
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
    """Numbers of some rows: evenly spaced ones, those with a column's extremes, and some with a missing value."""
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
