"""`Comparison`: what a challenger scores differently from the champion, over a run and in each partition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.agreements import Agreements
from airflow_batchscore.quality.differences import ERROR, Differences

#: Partitions and rows that are shown, those that disagree most.
MOST_SHOWN = 10
#: Quantiles that are shown.
SHOWN = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Row:
    """A row that the two score differently.

    Attributes:
        row: its number within the partition; None if rows were matched by their keys.
        keys: column -> value, as text.
        champion, challenger: their scores, as text.
        apart: absolute difference, if the column holds numbers; infinite if one of the two is missing or infinite.
    """

    partition: str
    row: int | None
    keys: Mapping[str, str]
    champion: str
    challenger: str
    apart: float = 0.0

    def to_dict(self) -> JsonObject:
        """Plain JSON, which has no infinite number."""
        return {**vars(self), "apart": self.apart if math.isfinite(self.apart) else None}


@dataclass(frozen=True)
class ColumnComparison:
    """An output column.

    Attributes:
        agreements: of classes; None for a column of numbers with a fraction.
        differences: of numbers; None for a column of text or Booleans.
        rows: those that disagree most, the worst first.
    """

    agreements: Agreements | None = None
    differences: Differences | None = None
    rows: Sequence[Row] = ()

    def __add__(self, other: ColumnComparison) -> ColumnComparison:
        rows = sorted([*self.rows, *other.rows], key=lambda row: -row.apart)  # keeps the order of equals
        return ColumnComparison(
            _sum(self.agreements, other.agreements), _sum(self.differences, other.differences), rows[:MOST_SHOWN]
        )

    @property
    def disagreement(self) -> float:
        """By which partitions are ordered: the share of rows that disagree, or the mean absolute difference."""
        if self.agreements is not None:
            return 1 - (1.0 if self.agreements.share is None else self.agreements.share)
        return self.differences.mean_size if self.differences and self.differences.rows else 0.0

    def figures(self) -> JsonObject:
        """Of the column in a partition, as JSON."""
        agreement = {} if self.agreements is None else {"agreement": self.agreements.share}
        if self.differences is None or not self.differences.rows:
            return agreement
        sizes = {f"p{100 * share:g}": _finite(self.differences.size_quantile(share)) for share in SHOWN}
        return {
            **agreement,
            "mean": self.differences.mean,
            "mean_size": _finite(self.differences.mean_size),
            "largest": _finite(self.differences.most),
            "sizes": sizes,
        }

    def to_dict(self) -> JsonObject:
        """Plain JSON: the figures of `figures`, and more."""
        classes, confusion = self.agreements.confusion() if self.agreements else ([], [])
        values: JsonObject = {}
        if self.differences is not None:
            shares = sorted({share for shown in SHOWN for share in (shown, 1 - shown)})
            values = {
                "quantiles": {f"p{100 * share:g}": self.differences.quantile(share) for share in shares},
                "correlation": self.differences.correlation,
                "error": ERROR,
            }
        return {
            **self.figures(),
            **values,
            "classes": classes,
            "confusion": confusion,
            "rows": [row.to_dict() for row in self.rows],
        }


@dataclass(frozen=True)
class PartitionComparison:
    """A partition, or all of them together.

    Attributes:
        compared: rows that both scored.
        champion_alone, challenger_alone: rows that only one of the two scored.
        unmatched: rows of which it cannot be told whether they are the same.
        problem: why nothing, or not all, of it was compared; None if all was.
    """

    partition: str
    columns: Mapping[str, ColumnComparison] = field(default_factory=dict)
    compared: int = 0
    champion_alone: int = 0
    challenger_alone: int = 0
    unmatched: int = 0
    problem: str | None = None

    def __add__(self, other: PartitionComparison) -> PartitionComparison:
        names = dict.fromkeys([*self.columns, *other.columns])
        empty = ColumnComparison()
        return PartitionComparison(
            self.partition,
            {name: self.columns.get(name, empty) + other.columns.get(name, empty) for name in names},
            self.compared + other.compared,
            self.champion_alone + other.champion_alone,
            self.challenger_alone + other.challenger_alone,
            self.unmatched + other.unmatched,
            self.problem or other.problem,
        )

    @property
    def counts(self) -> JsonObject:
        """Rows, as JSON."""
        names = ("compared", "champion_alone", "challenger_alone", "unmatched")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Comparison:
    """What a challenger scores differently from the champion.

    Attributes:
        total: of all partitions together.
        partitions: in their order.
        left_out: output column -> why it was not compared.
    """

    champion: ModelRef
    challenger: ModelRef
    total: PartitionComparison
    partitions: Sequence[PartitionComparison]
    left_out: Mapping[str, str]

    @property
    def problems(self) -> dict[str, str]:
        """Partition key -> why it was not compared, or not all of it."""
        return {each.partition: each.problem for each in self.partitions if each.problem is not None}

    def to_dict(self) -> JsonObject:
        """Plain JSON: what the verdict and the report show."""
        return {
            "champion": self.champion.record(),
            "challenger": self.challenger.record(),
            **self.total.counts,
            "columns": {name: column.to_dict() for name, column in self.total.columns.items()},
            "left_out": dict(self.left_out),
            "partitions": [self._shown(each) for each in self._worst()],
            "problems": dict(list(self.problems.items())[:MOST_SHOWN]),
            "partitions_compared": sum(each.problem is None for each in self.partitions),
            "partitions_in_all": len(self.partitions),
        }

    def _worst(self) -> list[PartitionComparison]:
        """The partitions that disagree most, by the first column that was compared."""

        def key(each: PartitionComparison) -> float:
            return -next((column.disagreement for column in each.columns.values()), 0.0)

        return sorted((each for each in self.partitions if each.columns), key=key)[:MOST_SHOWN]

    def _shown(self, each: PartitionComparison) -> JsonObject:
        columns = {
            name: {**column.figures(), "rows": [row.to_dict() for row in column.rows]}
            for name, column in each.columns.items()
        }
        return {"partition": each.partition, **each.counts, "columns": columns}


def _sum(one: Any, other: Any) -> Any:
    return one if other is None else other if one is None else one + other


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
