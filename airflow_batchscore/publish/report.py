"""The run report: one self-contained HTML page, and the same facts as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import airflow_batchscore
from airflow_batchscore.data import storage
from airflow_batchscore.model.artifact import read_manifest
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.profile import Counts, merge
from airflow_batchscore.scoring.audit import coverage
from airflow_batchscore.scoring.drifts import Drift, model_of, partition_drifts, reference_counts
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    from jinja2 import Template

#: Output columns drawn in the report: a hundred classes would be a wall, not a plot.
_MAX_COLUMNS = 4
#: Partitions on the page; the JSON beside it has all.
_MAX_PARTITIONS = 500


def summarise(
    manifests: Sequence[Manifest],
    published: Mapping[str, Any],
    *,
    run: Mapping[str, str],
    reused: Mapping[str, bool],
) -> dict[str, Any]:
    """Facts of a run, as JSON.

    Args:
        manifests: the published partitions, in order.
        published: what `combine` returned.
        run: ``dag_id``, ``run_id`` and the like, shown as they are.
        reused: partition key -> whether its scores were committed before this run.
    """
    drifts = partition_drifts(manifests)
    account = sum((manifest.account for manifest in manifests), Account())
    return {
        "run": dict(run),
        "version": airflow_batchscore.__version__,
        "output": published["output"],
        **{what: published[what] for what in ("added", "replaced", "unchanged", "kept", "dropped")},
        "model": _model(manifests),
        "coverage": coverage(manifests),
        "method": manifests[0].method,
        "totals": {"partitions": len(manifests), "reused": sum(reused.values()), **account.to_dict()},
        "partitions": [
            _partition(manifest, reused.get(manifest.key, False), drifts[manifest.key]) for manifest in manifests
        ],
    }


def _one_model(manifests: Sequence[Manifest]) -> ModelRef | None:
    """The model that scored all partitions; None where there are several, or none."""
    refs = {model_of(manifest) for manifest in manifests if manifest.model}
    return refs.pop() if len(refs) == 1 and all(manifest.model for manifest in manifests) else None


def _model(manifests: Sequence[Manifest]) -> dict[str, Any] | None:
    ref = _one_model(manifests)
    if ref is None:
        return None
    model = read_manifest(ref)
    return {
        "uri": ref.uri,
        "version": ref.version,
        "digest": ref.digest,
        "estimator": model.estimator,
        "metrics": model.metrics,
        "metrics_on": model.metrics_on,
        "trained_on": model.training["partitions"],
        "rows_trained": model.training["rows_trained"],
        "created": model.created,
        "libraries": model.libraries,
        "learning_curve": model.training.get("learning_curve"),
        "search": model.training.get("search"),
    }


def _partition(manifest: Manifest, reused: bool, drift: Drift) -> dict[str, Any]:
    worst = drift.worst
    return {
        "partition": manifest.key,
        "values": manifest.partition,
        **manifest.account.to_dict(),
        "reused": reused,
        "seconds": round(manifest.seconds, 3),
        "rows_per_second": round(manifest.rows_per_second),
        "blocks": len(manifest.blocks),
        "drift": round(worst[1], 4) if worst else None,
        "drift_column": worst[0] if worst else None,
        "manifest": manifest.uri,
    }


def render(summary: Mapping[str, Any], manifests: Sequence[Manifest]) -> str:
    """The page. Every text from data is escaped."""
    ref = _one_model(manifests)
    rows = _worth_a_look(summary["partitions"])
    shown = {row["partition"] for row in rows}
    drawn = [manifest for manifest in manifests if manifest.key in shown]
    reference = read_manifest(ref).profile if ref else None
    plots = [_plot(name, drawn, reference) for name in _columns(manifests)] if reference else []
    curve = summary["model"] and summary["model"]["learning_curve"]
    return _template().render(summary=summary, rows=rows, plots=plots, curve=curve and _curve(curve))


def _curve(curve: Mapping[str, Any]) -> dict[str, Any]:
    """The learning curve in a box of 100 by 40: points from left (no rows) to right, and the lines of its axes."""
    points = curve["points"]
    scores = [point["score"] for point in points]
    low, high = min(scores), max(scores)
    spread = (high - low) or 1.0
    places = [
        {"x": 100 * point["rows"] / points[-1]["rows"], "y": 38 - 36 * (point["score"] - low) / spread, **point}
        for point in points
    ]
    return {**curve, "places": places, "low": low, "high": high}


def _worth_a_look(partitions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All, or of very many those with the most rows in quarantine, then with the most drift; in their order."""
    if len(partitions) <= _MAX_PARTITIONS:
        return list(partitions)
    worst = sorted(partitions, key=lambda row: (-row["rows_quarantined"], -(row["drift"] or 0.0)))
    chosen = {row["partition"] for row in worst[:_MAX_PARTITIONS]}
    return [row for row in partitions if row["partition"] in chosen]


def _columns(manifests: Sequence[Manifest]) -> list[str]:
    names: Counts = {}
    for manifest in manifests:
        names = merge(names, manifest.profiles()[1])
    return list(names)[:_MAX_COLUMNS]


def _plot(column: str, manifests: Sequence[Manifest], reference: Mapping[str, Any]) -> dict[str, Any]:
    """Shares of each bin of an output column, a row per partition and one for the training data."""
    bins = reference_counts(manifests[0], reference, "bins")[column]
    labels = list(bins["values"]) if "values" in bins else _ranges(bins["edges"])
    labels += ["other", "missing"]
    rows = [("training", reference_counts(manifests[0], reference)[column])]
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
    """Where the JSON of a page lies."""
    return report_uri.removesuffix(".html").removesuffix("report") + "summary.json"


def write_report(
    manifests: Sequence[Manifest],
    summary: Mapping[str, Any],
    report_uri: str,
    conn_id: str | None = None,
) -> tuple[str, str]:
    """Write the page at `report_uri` and the JSON beside it; returns the URI of the JSON and the page's SHA-256.

    ``report.html`` goes with ``summary.json``, ``x.report.html`` with ``x.summary.json``.
    """
    summary_uri = facts_uri(report_uri)
    page = render(summary, manifests).encode()
    storage.write_bytes(report_uri, page, conn_id)
    storage.write_json(summary_uri, summary, conn_id)
    return summary_uri, hashlib.sha256(page).hexdigest()
