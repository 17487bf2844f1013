"""The run report: one self-contained HTML page, and the same facts as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING

from airflow_batchscore.data import storage
from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.storage import Location
from airflow_batchscore.model.artifact import read_manifest
from airflow_batchscore.publish.comparison_view import view
from airflow_batchscore.publish.plots import curve, plots
from airflow_batchscore.publish.published import Report
from airflow_batchscore.publish.summary import PartitionFacts, Summary, one_model
from airflow_batchscore.publish.trends import Point, trends
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    from jinja2 import Template

#: Partitions on the page; the JSON beside it has all of them.
_MAX_PARTITIONS = 500
#: Features on the page, those with the most drift.
_MAX_FEATURES = 60
#: Of more partitions than these, the worst come first.
_IN_ORDER = 50
#: PSI that is worth a look, by convention, where the audit has no limit of its own.
_SHIFT = 0.25


def render(summary: Summary, manifests: Sequence[Manifest], points: Sequence[Point] = ()) -> str:
    """The page. All text from data is escaped.

    Args:
        points: of the last runs that published to the same place, oldest first.
    """
    ref = one_model(manifests)
    reference = read_manifest(ref).profile if ref else None
    learned = summary.model.learning_curve if summary.model else None
    comparison = summary.passed.comparison if summary.passed else None
    return _template().render(
        summary=summary.to_dict(),
        headline=_headline(summary),
        said=_said(summary),
        planned=_time(summary.changes.generation),
        drift_limit=partial(_drift_limit, summary),
        usual_limit=_drift_limit(summary, None),
        rows=[facts.to_dict() for facts in _worth_a_look(summary.partitions)],
        in_order=len(summary.partitions) <= _IN_ORDER,
        compared=view(comparison) if comparison else None,
        features=[feature.to_dict() for feature in summary.features[:_MAX_FEATURES]],
        sample=next((feature.figures.sample for feature in summary.features), None),
        trends=[trend.to_dict() for trend in trends(points)],
        runs=len(points),
        versions=len({point.model for point in points}),
        plots=plots(manifests, reference) if reference else [],
        curve=curve(learned) if learned else None,
    )


def _headline(summary: Summary) -> str:
    account = summary.account
    return f"{account.rows_scored:,} of {account.rows_read:,} rows were scored and published"


def _said(summary: Summary) -> list[str]:
    """The run in sentences."""
    account, partitions = summary.account, len(summary.partitions)
    reused = f", {summary.reused:,} of them reused from earlier runs" if summary.reused else ""
    without, bad = account.rows_skipped, account.rows_quarantined
    were = f"{number_of(without, 'row')} {'was' if without == 1 else 'were'}"
    skipped = f"{were} skipped {_skipped_by(summary)}" if without else ""
    quarantined = f"{bad:,} could not be scored and {'is' if bad == 1 else 'are'} in quarantine" if bad else ""
    left_out = "; ".join(part for part in (skipped, quarantined) if part)
    sentences = [
        f"{number_of(partitions, 'partition')}{reused}",
        left_out or "No row was skipped or put into quarantine",
    ]
    drifted = [facts for facts in summary.partitions if facts.drift is not None]
    if drifted:
        worst = max(drifted, key=lambda facts: facts.drift or 0.0)
        sentences.append(
            f"The highest drift from the training data is {worst.drift:.3f} (PSI), of {worst.drift_column} in "
            f"{worst.partition}: {_judged(worst.drift or 0.0, worst.drift_column, summary)}"
        )
    return sentences


def _skipped_by(summary: Summary) -> str:
    if summary.model:
        return "by the recipe"
    return "by recipes, or for want of a model" if summary.coverage else "by the function"


def _judged(drift: float, column: str | None, summary: Summary) -> str:
    allowed = summary.passed.drift_allowed(column) if summary.passed else None
    if allowed is not None:
        return f"the audit allowed {allowed:g}"
    if drift > _SHIFT:
        return f"over {_SHIFT}, it is worth a look; the audit set no limit"
    return "stable, by convention" if drift < 0.1 else "a slight shift, by convention"


def _drift_limit(summary: Summary, column: str | None) -> float:
    """From which drift of a column is marked."""
    limit = summary.passed.drift_allowed(column) if summary.passed else None
    return _SHIFT if limit is None else limit


def _time(generation: int) -> str | None:
    """When the plan was made, whose order number counts nanoseconds; None for scores without a plan."""
    return datetime.fromtimestamp(generation // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if generation else None


def _worth_a_look(partitions: Sequence[PartitionFacts]) -> list[PartitionFacts]:
    """Few in their order; of many, those with the most rows in quarantine and then the most drift, worst first."""
    if len(partitions) <= _IN_ORDER:
        return list(partitions)
    worst = sorted(partitions, key=lambda facts: (-facts.account.rows_quarantined, -(facts.drift or 0.0)))
    return worst[:_MAX_PARTITIONS]


@cache
def _template() -> Template:
    from jinja2 import Environment

    source = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["count"] = "{:,}".format
    environment.filters["percent"] = "{:.1%}".format
    return environment.from_string(source)


def facts_uri(report_uri: str) -> str:
    """Location of a page's JSON."""
    return report_uri.removesuffix(".html").removesuffix("report") + "summary.json"


def write_report(
    manifests: Sequence[Manifest], summary: Summary, location: Location, points: Sequence[Point] = ()
) -> Report:
    """Write the page at `location` and the JSON beside it.

    ``report.html`` goes with ``summary.json``, ``x.report.html`` with ``x.summary.json``.
    """
    page = render(summary, manifests, points).encode()
    facts = location.at(facts_uri(location.uri))
    storage.write_bytes(location, page)
    storage.write_json(facts, summary.to_dict())
    return Report(location, facts, hashlib.sha256(page).hexdigest())
