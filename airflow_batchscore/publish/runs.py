"""Reports and audit verdicts, stored under the run that wrote them.

``<folder>/_runs/<dag_id>/<run_id>/`` below a published folder, ``_runs/<name>/<dag_id>/<run_id>/`` beside a published
file. ``latest.json`` in ``_runs`` points at the newest publication's report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.storage import Location, swap
from airflow_batchscore.publish.published import Published, Report
from airflow_batchscore.publish.report import facts_uri, write_report
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.summary import Summary
from airflow_batchscore.publish.targets.base import RUNS
from airflow_batchscore.publish.trends import Point, add_point
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.scored import ScoredPartition

#: File names have at most 255 bytes on most file systems, and these get a suffix.
_LONGEST = 200
_LATEST = "latest.json"
#: Of a check, below `staged_runs_folder`.
VERDICT = "audit.json"
#: How often the copy of the newest report is redone when newer reports keep arriving.
_ATTEMPTS = 20


@dataclass(frozen=True)
class Latest:
    """``latest.json``: URIs of the report of the newest publication, and of the same facts as JSON."""

    run: ScoringRun
    generation: int
    report: str
    summary: str

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {
            **self.run.to_dict(),
            "generation": self.generation,
            "report": self.report,
            "summary": self.summary,
        }


def safe_name(text: str) -> str:
    """`text` as a file or folder name; a long one is cut and made unique by a hash."""
    name = quote(text, safe="")
    if set(name) == {"."}:
        name = name.replace(".", "%2E")
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 17]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def staged_runs_folder(manifests: Sequence[Manifest]) -> Location:
    """Where runs that stage scores store the verdicts of their audits: above the partitions' folders."""
    return staging_of(manifests[0]) / RUNS


def staging_of(manifest: Manifest) -> Location:
    """The folder where scores are staged, above the partitions' folders."""
    return _above(manifest.folder, len(manifest.partition))


def _above(folder: Location, fields: int) -> Location:
    """Args: folder: of an identity, below those of its partition, which has so many fields."""
    return folder.at(folder.uri.rsplit("/", fields + 1)[0])


def audit_verdict(scored: ScoredPartition, conn_id: str | None, run: ScoringRun, task: str) -> Location:
    """Where a check of the run keeps its verdict, from one of the partitions that it checks."""
    folder = Location(scored.manifest, conn_id).parent.parent
    return run_place(_above(folder, len(scored.partition)) / RUNS, run, task, VERDICT)


def run_task(task_id: str, map_index: int) -> str:
    """What distinguishes a task of a run from the others, in the names of its files."""
    return task_id if map_index < 0 else f"{task_id}-{map_index}"


def run_place(folder: Location, run: ScoringRun, task: str, name: str) -> Location:
    """Where a task of a run stores a file; `folder` is that of all runs, `name` is ``report.html`` and the like."""
    return folder / safe_name(run.dag_id) / safe_name(run.run_id) / f"{safe_name(task)}.{name}"


def leave_report(
    manifests: Sequence[Manifest],
    published: Published,
    summary: Summary,
    task: str,
    copy: Location | None = None,
) -> Report:
    """Write the report of a publication under its run, and make ``latest.json`` point at it if it is the newest.

    Args:
        summary: as returned by `summarise`.
        task: that writes it; a run can have several.
        copy: a page that always shows the newest publication.
    """
    target, run = published.target, summary.run
    page = run_place(target.runs, run, task, "report.html")
    with target.holding_still():
        points = add_point(target.runs, Point.of(summary))
        report = write_report(manifests, summary, page, points)
        newest = Latest(run, published.changes.generation, report.page.uri, report.facts.uri)
        is_newest = _point_at(target.runs, newest)
    if copy is not None and is_newest:
        _copy_newest(target.runs, copy)
    return report


def _copy_newest(folder: Location, copy: Location) -> None:
    """Copy the report that ``latest.json`` points at, until it still points at it after the copy.

    No lock covers both the copy and the pointer, which can be in two stores. So the last writer of the copy also checks
    last, and a run that was slow to write its own report restores that of a newer one.
    """
    copied: JsonMapping | None = None
    for _ in range(_ATTEMPTS):
        _, newest = swap.read_json(folder / _LATEST)
        sources = [folder.at(newest["report"]), folder.at(newest["summary"])]
        if newest == copied or not all(source.is_within(folder) for source in sources):
            return
        for source, target in zip(sources, (copy, copy.at(facts_uri(copy.uri))), strict=True):
            storage.write_bytes(target, storage.read_bytes(source))
        copied = newest


def _point_at(folder: Location, newest: Latest) -> bool:
    """False if ``latest.json`` points at a newer publication."""

    def change(value: JsonMapping) -> JsonMapping | None:
        return None if value.get("generation", 0) > newest.generation else newest.to_dict()

    return swap.change_json(folder / _LATEST, change)
