"""The run report: one self-contained HTML page, and the same facts as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.model.artifact import read_manifest
from airflow_batchscore.model.training_record import LearningCurve
from airflow_batchscore.publish.published import Report
from airflow_batchscore.publish.summary import PartitionFacts, Summary, one_model
from airflow_batchscore.quality.profile import Counts, ReferenceProfile, merge
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    from jinja2 import Template

#: Output columns drawn in the report: a hundred classes would be unreadable.
_MAX_COLUMNS = 4
#: Partitions on the page; the JSON beside it has all of them.
_MAX_PARTITIONS = 500


def render(summary: Summary, manifests: Sequence[Manifest]) -> str:
    """The page. All text from data is escaped."""
    ref = one_model(manifests)
    partitions = _worth_a_look(summary.partitions)
    shown = {facts.partition for facts in partitions}
    drawn = [manifest for manifest in manifests if manifest.key in shown]
    reference = read_manifest(ref).profile if ref else None
    plots = [_plot(name, drawn, reference) for name in _columns(manifests)] if reference else []
    curve = summary.model.learning_curve if summary.model else None
    return _template().render(
        summary=summary.to_dict(),
        rows=[facts.to_dict() for facts in partitions],
        plots=plots,
        curve=_curve(curve) if curve else None,
    )


def _curve(curve: LearningCurve) -> JsonObject:
    """The learning curve in a box of 100 by 40: points from left (no rows) to right, and its axes."""
    points = curve.points
    scores = [point.score for point in points]
    low, high = min(scores), max(scores)
    spread = (high - low) or 1.0
    places = [
        {"x": 100 * point.rows / points[-1].rows, "y": 38 - 36 * (point.score - low) / spread, **asdict(point)}
        for point in points
    ]
    return {**asdict(curve), "places": places, "low": low, "high": high}


def _worth_a_look(partitions: Sequence[PartitionFacts]) -> list[PartitionFacts]:
    """All; of very many, those with the most rows in quarantine, then with the most drift; in original order."""
    if len(partitions) <= _MAX_PARTITIONS:
        return list(partitions)
    worst = sorted(partitions, key=lambda facts: (-facts.account.rows_quarantined, -(facts.drift or 0.0)))
    chosen = {facts.partition for facts in worst[:_MAX_PARTITIONS]}
    return [facts for facts in partitions if facts.partition in chosen]


def _columns(manifests: Sequence[Manifest]) -> list[str]:
    names: Counts = {}
    for manifest in manifests:
        names = merge(names, manifest.profiles()[1])
    return list(names)[:_MAX_COLUMNS]


def _plot(column: str, manifests: Sequence[Manifest], reference: ReferenceProfile) -> JsonObject:
    """Share of each bin of an output column, one row per partition and one for the training data."""
    trained = reference.written(manifests[0].outputs)
    bins = trained.bins[column]
    labels = list(bins["values"]) if "values" in bins else _ranges(bins["edges"])
    labels += ["other", "missing"]
    rows = [("training", trained.counts[column])]
    rows += [(manifest.key, manifest.profiles()[1].get(column, [0] * len(labels))) for manifest in manifests]
    used = [place for place in range(len(labels)) if any(counts[place] for _, counts in rows)]
    return {
        "column": column,
        "labels": [labels[place] for place in used],
        "rows": [
            {"name": name, "shares": [counts[place] / sum(counts) if sum(counts) else 0.0 for place in used]}
            for name, counts in rows
        ],
    }


def _ranges(edges: Sequence[float]) -> list[str]:
    if not edges:
        return ["all"]
    texts = [f"{edge:.4g}" for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(texts)]
    return [f"below {texts[0]}", *between, f"{texts[-1]} and up"]


@cache
def _template() -> Template:
    from jinja2 import Environment

    source = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)


def facts_uri(report_uri: str) -> str:
    """Location of a page's JSON."""
    return report_uri.removesuffix(".html").removesuffix("report") + "summary.json"


def write_report(manifests: Sequence[Manifest], summary: Summary, location: Location) -> Report:
    """Write the page at `location` and the JSON beside it.

    ``report.html`` goes with ``summary.json``, ``x.report.html`` with ``x.summary.json``.
    """
    page = render(summary, manifests).encode()
    facts = location.at(facts_uri(location.uri))
    storage.write_bytes(location, page)
    storage.write_json(facts, summary.to_dict())
    return Report(location, facts, hashlib.sha256(page).hexdigest())
