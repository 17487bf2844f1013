"""The figures of a run in a list of runs, from what its tasks returned; no file is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.plan.models import ChampionAndChallenger
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.publish.verdict import Figures
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.scored import ScoredPartition


@dataclass(frozen=True)
class RunTotals:
    """What a run has scored.

    Attributes:
        rows: read.
        own_rows: of these, those that its tasks read themselves; None if that is not known.
        rows_skipped, rows_quarantined: None if only the publication is known.
        drift: highest of any column of any partition; None if it was not measured.
    """

    partitions: int
    rows: int
    own_rows: int | None
    rows_skipped: int | None
    rows_quarantined: int | None
    drift: float | None

    @classmethod
    def of_check(cls, figures: Figures, scored: Sequence[ScoredPartition]) -> RunTotals:
        """Of what a gate passed."""
        account, drift = figures.account, figures.max_drift
        return cls(
            partitions=figures.partitions,
            rows=account.rows_read,
            own_rows=sum(partition.own_rows for partition in scored),
            rows_skipped=account.rows_skipped,
            rows_quarantined=account.rows_quarantined,
            drift=drift if drift is not None and math.isfinite(drift) else None,  # as JSON needs
        )

    @classmethod
    def of_publication(cls, published: PublishedRun) -> RunTotals:
        """Of what was published without a gate."""
        return cls(published.partitions, published.rows, None, None, None, None)

    @classmethod
    def of_score(cls, score: JsonMapping) -> RunTotals | None:
        """Of what a scoring task returned: `ScoredTask` as JSON. None if that is in a file (`StoredList`)."""
        if not isinstance(score["manifests"], list):
            return None
        partitions = [ScoredPartition.from_dict(each) for each in score["manifests"]]
        account = sum((partition.account for partition in partitions), Account())
        return cls(
            partitions=len(partitions),
            rows=account.rows_read,
            own_rows=sum(partition.own_rows for partition in partitions),
            rows_skipped=account.rows_skipped,
            rows_quarantined=account.rows_quarantined,
            drift=None,
        )

    @classmethod
    def from_dict(cls, value: JsonMapping) -> RunTotals:
        """The inverse of `to_dict`."""
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})

    def __add__(self, other: RunTotals) -> RunTotals:
        drifts = [each.drift for each in (self, other) if each.drift is not None]
        return RunTotals(
            partitions=self.partitions + other.partitions,
            rows=self.rows + other.rows,
            own_rows=_sum(self.own_rows, other.own_rows),
            rows_skipped=_sum(self.rows_skipped, other.rows_skipped),
            rows_quarantined=_sum(self.rows_quarantined, other.rows_quarantined),
            drift=max(drifts, default=None),
        )

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return asdict(self)

    def shown(self, seconds: float | None) -> JsonObject:
        """The fields of ``RunRow`` in types.ts.

        Args:
            seconds: that scoring took so far.
        """
        speed = self.own_rows / seconds if self.own_rows and seconds else None
        return {**{name: value for name, value in vars(self).items() if name != "own_rows"}, "rows_per_second": speed}


#: The same fields of a run that has scored nothing yet.
NOTHING = dict.fromkeys(("partitions", "rows", "rows_skipped", "rows_quarantined", "drift", "rows_per_second"))


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def models_named(models: JsonMapping | None) -> str | None:
    """What a plan's entry scores with, in a word: `Models` as JSON. None for a function."""
    if models is None:
        return None
    if models["kind"] == "one":
        return str(models["model"]["uri"]).rpartition("/")[2]
    if models["kind"] == ChampionAndChallenger.kind:
        return ChampionAndChallenger.from_dict(models).named
    return f"one for each {models['column']}" if models.get("column") else "one for each partition"
