"""Trends: what the last runs that published here found of each feature, kept in one small file beside their reports."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_batchscore.data.json_types import Json, JsonMapping, JsonObject
from airflow_batchscore.data.storage import Location, swap
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.publish.summary import Summary

log = logging.getLogger(__name__)

#: Of `_runs`, beside ``latest.json``.
FILE = "trends.json"
#: Runs that are kept, and features of each, those that drifted most.
_RUNS, _FEATURES = 30, 300
#: Features that a report shows.
_SHOWN = 20


@dataclass(frozen=True)
class Point:
    """What one run found.

    Attributes:
        run: ``<dag_id>/<run_id>``.
        generation: when it was planned, in ns since 1970.
        model: version; None if there is not one for all.
        features: feature -> PSI, share unlike the training data (`FeatureFigures.unlike`), share missing; each may be
            None.
    """

    run: str
    generation: int
    model: str | None
    rows: int
    features: Mapping[str, Sequence[float | None]]

    @classmethod
    def of(cls, summary: Summary) -> Point:
        """Of the run that a report is about."""
        features = {
            each.feature: [_rounded(value) for value in (each.figures.psi, each.figures.unlike, each.figures.missing)]
            for each in summary.features[:_FEATURES]
        }
        model = summary.model.version if summary.model else None
        return cls(summary.run.name, summary.changes.generation, model, summary.account.rows_read, features)

    @classmethod
    def from_dict(cls, value: Json) -> Point | None:
        """The inverse of ``vars``; None for anything else, such as what another version wrote."""
        try:
            features = {str(name): [_number(each) for each in three] for name, three in value["features"].items()}
            if any(len(three) != 3 for three in features.values()):
                return None
            model = None if value["model"] is None else str(value["model"])
            return cls(str(value["run"]), int(value["generation"]), model, int(value["rows"]), features)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


@dataclass(frozen=True)
class Trend:
    """A figure over runs, for people.

    Attributes:
        name: of the feature, or what is counted.
        figure: ``"PSI"`` and the like.
        values: oldest first; None where a run had none.
        line: points of an SVG line in a box of 100 by 20; as many lines as there are gaps, and one.
    """

    name: str
    figure: str
    values: Sequence[float | None]
    line: Sequence[str]

    def to_dict(self) -> JsonObject:
        """For the page."""
        there = [value for value in self.values if value is not None]
        return {**vars(self), "first": there[0], "last": there[-1], "least": min(there), "most": max(there)}


def add_point(runs: Location, point: Point) -> list[Point]:
    """Keep the point beside those of earlier runs, in place of one of its own run; returns all of them, oldest first.

    A trend is not worth a publication: if the file cannot be read or written, the log says so.

    Args:
        runs: the folder of all runs that publish to a place.
    """
    kept: list[Point] = [point]

    def change(value: JsonMapping) -> JsonObject:
        nonlocal kept
        found = value.get("points", []) if isinstance(value, Mapping) else []
        before = [each for each in map(Point.from_dict, found) if each is not None and each.run != point.run]
        kept = sorted([*before, point], key=lambda each: each.generation)[-_RUNS:]
        return {"points": [vars(each) for each in kept]}

    try:
        swap.change_json(runs / FILE, change)
    except (BatchScoreError, OSError, TypeError) as error:
        log.warning("the report has no trends: %s: %s. Delete that file if it is damaged", runs / FILE, error)
        return [point]
    return kept


def trends(points: Sequence[Point]) -> list[Trend]:
    """Rows, and PSI and unlike rows of the features that drifted most in the last run; empty for a single run."""
    if len(points) < 2:
        return []
    last = points[-1].features
    worst = sorted(last, key=lambda name: -(last[name][0] or 0.0))[:_SHOWN]
    found = [_trend("all rows", "rows read", [float(point.rows) for point in points])]
    for name in worst:
        for place, figure in ((0, "PSI"), (1, "unlike training"), (2, "missing")):
            values = [point.features.get(name, (None, None, None))[place] for point in points]
            # A feature that was never unlike or missing needs no line to say so.
            if place == 0 or any(value for value in values):
                found.append(_trend(name, figure, values))
    return [trend for trend in found if any(value is not None for value in trend.values)]


def _trend(name: str, figure: str, values: Sequence[float | None]) -> Trend:
    highest = max((value for value in values if value is not None), default=0.0) or 1.0
    lines: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            lines.append([])
        else:
            lines[-1].append(f"{100 * place / (len(values) - 1):.1f},{19 - 18 * value / highest:.1f}")
    return Trend(name, figure, values, [" ".join(line) for line in lines if line])


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _number(value: Json) -> float | None:
    number = None if value is None else float(value)
    if number is not None and not (math.isfinite(number) and number >= 0):
        raise ValueError(value)
    return number
