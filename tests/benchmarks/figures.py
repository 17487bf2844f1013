"""Figures out of a run's results: ratios paired round by round, medians and their spread."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rows import LIMIT, OURS

Runs = list[dict[str, Any]]


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of some rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 2) -> str:
        """``1.53 (1.50-1.61)``; the median alone if the rest is the same."""
        median, least, greatest = (f"{value:.{digits}f}" for value in (self.median, self.least, self.greatest))
        return median if least == greatest else f"{median} ({least}-{greatest})"


class Results:
    """A run of the benchmark, as ``results.json`` has it. What was not measured is None."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.tables: dict[str, dict[str, Any]] = {table["key"]: table for table in content["tables"]}

    @classmethod
    def read(cls, path: Path) -> Results:
        return cls(json.loads(path.read_text()))

    def runs(self, table: str, row: str) -> Runs | None:
        """The runs of a row that did not fail."""
        runs: Runs = self.tables.get(table, {"runs": {}})["runs"].get(row, [])
        return runs if runs and all(run["rc"] == 0 for run in runs) else None

    def spread(self, table: str, row: str, what: str) -> Spread | None:
        """Of a row's seconds (``wall``, ``work``, ``task``, ``cpu``) or bytes (``rss``)."""
        runs = self.runs(table, row)
        return Spread.of([run[what] for run in runs]) if runs else None

    def ratio(self, table: str, over: str, under: str, what: str) -> Spread | None:
        """``over`` / ``under``, round by round; 2 says that the row `under` is twice as fast."""
        return self._paired(table, over, under, what, lambda left, right: left / right if right else 0.0)

    def difference(self, table: str, left: str, right: str, what: str) -> Spread | None:
        """``left - right``, round by round."""
        return self._paired(table, left, right, what, lambda one, other: one - other)

    def of_limit(self, table: str, row: str, what: str) -> Spread | None:
        """The limit's time over the row's: 1 is the limit, more is better."""
        return self.ratio(table, LIMIT, row, what)

    def airflow(self, script: str, *names: str) -> Any:
        """A figure of a script that ran a real Airflow."""
        found: Any = self.content["airflow"].get(script)
        for name in names:
            found = None if found is None else found.get(name)
        return found

    def memory(self, row: str = OURS) -> float | None:
        """Peak memory on 200 million rows over that on 20 million."""
        large, small = self.spread("w1x10", row, "rss"), self.spread("w1", row, "rss")
        return large.median / small.median if large and small else None

    def publication(self, row: str) -> tuple[Spread, Spread, Spread] | None:
        """Seconds of scoring, of publication, and the latter over the former, round by round."""
        runs = self.runs("publication", row)
        if not runs:
            return None
        scoring = [run["work"] for run in runs]
        publication = [run["marks"]["published"] - run["marks"]["scored"] for run in runs]
        return (
            Spread.of(scoring),
            Spread.of(publication),
            Spread.of([a / b for a, b in zip(publication, scoring, strict=True)]),
        )

    def _paired(self, table: str, left: str, right: str, what: str, join: Any) -> Spread | None:
        lefts, rights = self.runs(table, left), self.runs(table, right)
        if lefts is None or rights is None:
            return None
        # A row that is far behind takes fewer turns than the first one.
        return Spread.of([join(one[what], other[what]) for one, other in zip(lefts, rights, strict=False)])
