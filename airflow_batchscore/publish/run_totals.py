"""The figures of a run in a list of runs, from what its tasks returned; no file is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.publish.verdict import CheckedScores
from airflow_batchscore.quality.accounting import Account


@dataclass(frozen=True)
class RunTotals:
    """What a run has scored.

    Attributes:
        rows: read.
        own_rows: of these, those that were not committed before this run; None if that is not known.
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
    def of_checks(cls, checks: Sequence[CheckedScores]) -> RunTotals:
        """Of what gates passed; at least one."""
        account = sum((check.figures.account for check in checks), Account())
        drifts = [drift for check in checks if (drift := check.figures.max_drift) is not None and math.isfinite(drift)]
        return cls(
            partitions=sum(check.figures.partitions for check in checks),
            rows=account.rows_read,
            own_rows=_own_rows(score for check in checks for score in check.scores),
            rows_skipped=account.rows_skipped,
            rows_quarantined=account.rows_quarantined,
            drift=max(drifts, default=None),
        )

    @classmethod
    def of_publications(cls, published: Sequence[PublishedRun]) -> RunTotals:
        """Of what was published without a gate, which may name rows of a function rather than rows read."""
        return cls(
            partitions=sum(each.partitions for each in published),
            rows=sum(each.rows for each in published),
            own_rows=None,
            rows_skipped=None,
            rows_quarantined=None,
            drift=None,
        )

    @classmethod
    def of_scores(cls, scores: Sequence[JsonMapping]) -> RunTotals | None:
        """Of what scoring tasks returned: `ScoredTask` as JSON. None if that is in files (`StoredList`)."""
        own_rows = _own_rows(scores)
        if own_rows is None:
            return None
        partitions = [partition for score in scores for partition in score["manifests"]]
        account = sum((Account.from_dict(partition) for partition in partitions), Account())
        return cls(
            partitions=len(partitions),
            rows=account.rows_read,
            own_rows=own_rows,
            rows_skipped=account.rows_skipped,
            rows_quarantined=account.rows_quarantined,
            drift=None,
        )

    def to_dict(self, seconds: float | None) -> JsonObject:
        """Plain JSON.

        Args:
            seconds: that scoring took so far.
        """
        speed = self.own_rows / seconds if self.own_rows and seconds else None
        shown = {name: value for name, value in vars(self).items() if name != "own_rows"}
        return {**shown, "rows_per_second": speed}


#: The same fields of a run that has scored nothing yet.
NOTHING = dict.fromkeys(("partitions", "rows", "rows_skipped", "rows_quarantined", "drift", "rows_per_second"))


def _own_rows(scores: Iterable[JsonMapping]) -> int | None:
    rows = 0
    for score in scores:
        if not isinstance(score["manifests"], list):
            return None
        rows += sum(each["rows_read"] for each in score["manifests"] if not each["reused"])
    return rows


def models_named(models: JsonMapping | None) -> str | None:
    """What a plan's entry scores with, in a word: `Models` as JSON. None for a function."""
    if models is None:
        return None
    if models["kind"] == "one":
        return str(models["model"]["uri"]).rpartition("/")[2]
    return f"one for each {models['column']}" if models.get("column") else "one for each partition"
