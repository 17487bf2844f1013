"""Quarantine: the rows that could not be scored, kept with where they stood and why."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batchscore.data import storage
from airflow_batchscore.data.batch import BadRow
from airflow_batchscore.errors import BatchScoreError, ScoringError, said

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Limit:
    """How many rows of one block may be quarantined before scoring stops: a count, or a share of its rows."""

    value: int | float

    @classmethod
    def of(cls, value: Any) -> Limit:
        """Raises ScoringError unless `value` is a count from 0, or a share between 0 and 1, a float or text of one."""
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
        return self.value if isinstance(self.value, int) else int(self.value * rows)

    def allows(self, bad: int, rows: int) -> bool:
        return bad <= self.rows_of(rows)


def score_rows(
    rows: int, score: Callable[[np.ndarray | None], T], limit: int, *, together: bool = False
) -> tuple[np.ndarray | None, T | None, list[tuple[int, Exception]]]:
    """`score` over `rows` rows, but for those that make it raise.

    They are found by halving. What is scored is scored in one call: of halves that do not raise, a function that looks
    at other rows (`pandas.to_datetime`, which guesses one format for all) could make something else.

    Args:
        score: called with the numbers of some rows, or None for all. It takes rows that no call before could alter.
        limit: failing rows after which the search stops.
        together: whether the rows must not be parted; then nothing is set apart.

    Returns:
        The numbers of the rows that were scored (None: all), the result for them (None: all rows fail), and
        (row, exception) of each row that fails alone.

    Raises:
        BatchScoreError: from `score`, unchanged: what is wrong with the recipe or the model is not a bad row.
        ScoringError: more than `limit` rows fail, or any where they are `together`, or none does alone.
    """
    import numpy as np

    try:
        return None, score(None), []
    except BatchScoreError:
        raise
    except Exception as error:  # whatever a user's function or an estimator raises for a row
        if together:
            raise ScoringError(
                f"{said(error)}. With row_wise=False the rows of a partition stay together, so none "
                "can be set apart: fix the data, or the recipe or function, which can leave rows out"
            ) from error
    failed = _failing(rows, score, limit)
    good = np.delete(np.arange(rows), [row for row, _ in failed])
    if not len(good):
        return good, None, failed
    try:
        return good, score(good), failed
    except BatchScoreError:
        raise
    except Exception as error:
        raise ScoringError(
            f"{said(error)}. {len(good)} rows raise it together, and none of them alone, so what is "
            "made of a row depends on others, and bad rows cannot be told from good ones. Let each row be looked at "
            "alone: give to_datetime a format=, to_numeric and astype what they need to know"
        ) from error


def _failing(rows: int, score: Callable[[np.ndarray | None], object], limit: int) -> list[tuple[int, Exception]]:
    """The rows that raise alone, in order."""
    import numpy as np

    failed: list[tuple[int, Exception]] = []
    slices = [(rows // 2, rows), (0, rows // 2)] if rows > 1 else [(0, rows)]
    while slices:
        start, stop = slices.pop()
        try:
            score(np.arange(start, stop))
        except BatchScoreError:
            raise
        except Exception as error:
            if stop - start == 1:
                failed.append((start, error))
                if len(failed) > limit:
                    raise ScoringError(
                        f"more than {limit} rows fail, the last with {said(error)}. If single "
                        "rows are bad, raise quarantine=; if all are, the recipe or the model does not fit this data"
                    ) from error
            else:
                middle = (start + stop) // 2
                slices += [(middle, stop), (start, middle)]
    return failed


def write(
    uri: str,
    rows: Sequence[BadRow],
    *,
    partition: Mapping[str, str],
    block: int,
    source: str,
    keys: Sequence[str],
    conn_id: str | None,
) -> None:
    """One Parquet file: partition fields, file, block, row of the block, keys, reason, and the raw values as JSON.

    A partition field that is called like one of the others has ``partition_`` before its name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    columns: dict[str, Any] = {
        "file": pa.array([source] * len(rows), text),
        "block": pa.array([block] * len(rows), pa.int64()),
        "row": pa.array([row.position for row in rows], pa.int64()),
        **{f"key_{key}": pa.array([row.raw.get(key) for row in rows], text) for key in keys},
        "error": pa.array([row.error for row in rows], text),
        "message": pa.array([row.message for row in rows], text),
        "raw": pa.array([json.dumps(row.raw, ensure_ascii=False) for row in rows], text),
    }
    fields = {field: pa.array([value] * len(rows), text) for field, value in partition.items()}
    with storage.atomic_file(uri, conn_id) as path:
        pq.write_table(pa.table(_beside(columns, fields) | columns), path)


def _beside(columns: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields`, under names that `columns` does not have."""
    named: dict[str, Any] = {}
    for field, values in fields.items():
        name = field
        while name in columns or (name != field and name in fields):
            name = f"partition_{name}"
        named[name] = values
    return named
