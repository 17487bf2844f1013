"""Quarantine: the rows that could not be scored, kept with their position and the reason."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import BadRow
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import BatchScoreError, ScoringError, said

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

T = TypeVar("T")


@dataclass(frozen=True)
class Limit:
    """How many rows of a block may be quarantined before scoring stops: a count, or a share of its rows."""

    value: int | float

    @classmethod
    def of(cls, value: object) -> Limit:
        """Raise ScoringError unless `value` is a count from 0, or a share between 0 and 1, as a number or text."""
        number: int | float = -1
        for kind in (int, float):
            with suppress(ValueError):
                number = kind(str(value))  # as text: a small share such as 1e-05 must not become the count 0
                break
        if not 0 <= number <= (1 if isinstance(number, float) else math.inf):
            raise ScoringError(f"quarantine={value!r}: give a count of rows such as 1000, or a share such as 0.01")
        return cls(number)

    def rows_of(self, rows: int) -> int:
        """The limit as a count, for that many rows."""
        # As it was written: the float 0.29 times 100 is less than 29.
        return self.value if isinstance(self.value, int) else int(Fraction(str(self.value)) * rows)

    def allows(self, bad: int, rows: int) -> bool:
        return bad <= self.rows_of(rows)


def score_rows(
    table: pa.Table, score: Callable[[pa.Table], T], limit: int, *, together: bool = False
) -> tuple[np.ndarray | None, T | None, list[tuple[int, Exception]]]:
    """Run `score` over the rows of a table, except those that make it raise.

    Failing rows are found by halving, those with missing and infinite values apart from the others: usually it is they.
    The rest is scored in one call: on halves that do not raise, a function that looks at other rows
    (`pandas.to_datetime`, which guesses one format for all) could return something else.

    Args:
        score: called with all rows or with some of them.
        limit: failing rows after which the search stops.
        together: whether the rows must not be separated; then none is set apart.

    Returns:
        The numbers of the scored rows (None: all), their result (None: all rows fail), and (row, exception) of each row
        that fails alone.

    Raises:
        BatchScoreError: from `score`, unchanged: an error in the recipe or the model is not a bad row.
        ScoringError: more than `limit` rows fail, or any if they are `together`, or none fails alone.
    """
    import numpy as np

    try:
        return None, score(table), []
    except BatchScoreError:
        raise
    except Exception as error:  # a user's function or an estimator may raise anything
        if together:
            raise ScoringError(
                f"{said(error)}. With row_wise=False the rows of a partition stay together, so none "
                "can be set apart: fix the data, or the recipe or function, which can leave rows out"
            ) from error
    failed = _failing(table, score, limit)
    good = np.delete(np.arange(table.num_rows), [row for row, _ in failed])
    if not len(good):
        return good, None, failed
    try:
        return good, score(table.take(good)), failed
    except BatchScoreError:
        raise
    except Exception as error:
        raise ScoringError(
            f"{said(error)}. {len(good)} rows raise it together, and none of them alone, so what is "
            "made of a row depends on others, and bad rows cannot be told from good ones. Let each row be looked at "
            "alone: give to_datetime a format=, to_numeric and astype what they need to know"
        ) from error


def _failing(table: pa.Table, score: Callable[[pa.Table], object], limit: int) -> list[tuple[int, Exception]]:
    """The rows that raise alone, in order."""
    import numpy as np

    failed: list[tuple[int, Exception]] = []
    odd = _has_odd_value(table)
    # Never all rows again: the caller has seen that they raise.
    parts = [np.flatnonzero(~odd), np.flatnonzero(odd)] if 0 < odd.sum() < len(odd) else _halves(np.arange(len(odd)))
    left = [rows for rows in parts if len(rows)]
    while left:
        rows = left.pop()
        try:
            score(table.take(rows))
        except BatchScoreError:
            raise
        except Exception as error:
            if len(rows) > 1:
                left += _halves(rows)
                continue
            failed.append((int(rows[0]), error))
            if len(failed) > limit:
                raise ScoringError(
                    f"more than {limit} rows fail, the last with {said(error)}. If single "
                    "rows are bad, raise quarantine=; if all are, the recipe or the model does not fit this data"
                ) from error
    return sorted(failed, key=lambda each: each[0])


def _halves(rows: np.ndarray) -> list[np.ndarray]:
    """The second half and the first, which is taken from the end of a list before it."""
    import numpy as np

    return np.array_split(rows, 2)[::-1]


def _has_odd_value(table: pa.Table) -> np.ndarray:
    """Which rows have a missing value or a float that is not finite."""
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.types as pt

    odd = np.zeros(table.num_rows, bool)
    for column in table.columns:
        odd |= column.is_null().to_numpy()
        if pt.is_floating(column.type):
            odd |= ~pc.fill_null(pc.is_finite(column), fill_value=False).to_numpy()
    return odd


def write(
    location: Location,
    rows: Sequence[BadRow],
    *,
    partition: Mapping[str, str],
    block: int,
    source: str,
    keys: Sequence[str],
) -> None:
    """Write one Parquet file: partition fields, file, block, row of the block, keys, reason, and raw values as JSON.

    A partition field with the same name as one of the others gets the prefix ``partition_``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    columns: dict[str, object] = {
        "file": pa.array([source] * len(rows), text),
        "block": pa.array([block] * len(rows), pa.int64()),
        "row": pa.array([row.position for row in rows], pa.int64()),
        **{f"key_{key}": pa.array([row.raw.get(key) for row in rows], text) for key in keys},
        "error": pa.array([row.error for row in rows], text),
        "message": pa.array([row.message for row in rows], text),
        "raw": pa.array([json.dumps(row.raw, ensure_ascii=False) for row in rows], text),
    }
    fields = {field: pa.array([value] * len(rows), text) for field, value in partition.items()}
    with storage.atomic_file(location) as path:
        pq.write_table(pa.table(_beside(columns, fields) | columns), path)


def _beside(columns: Mapping[str, object], fields: Mapping[str, object]) -> dict[str, object]:
    """`fields`, under names that `columns` does not have."""
    renamed: dict[str, object] = {}
    for field, values in fields.items():
        name = field
        while name in columns or (name != field and name in fields):
            name = f"partition_{name}"
        renamed[name] = values
    return renamed
