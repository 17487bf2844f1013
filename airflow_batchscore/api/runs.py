"""`runs`: what runs left on storage, by hand or in Airflow: verdicts beside staged scores, reports beside published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from airflow_batchscore.api.reach import usable
from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.errors import InputError
from airflow_batchscore.publish.runs import VERDICT
from airflow_batchscore.publish.targets import target_of

_MOST = 20
_REPORT = "summary.json"
_CHANGES = ("added", "replaced", "unchanged", "kept", "dropped")


@dataclass(frozen=True)
class StoredRun:
    """A run as it left its trace.

    Attributes:
        run: ``<dag_id>/<run_id>``.
        kind: ``"checked"`` in a staging folder, ``"published"`` in or beside an output.
        time: of the trace, ISO 8601, UTC.
        model: version of the one that scored all that was published; None for a check, several models or a function.
        passed: whether its audit passed; None if it had none.
        rows_read, rows_scored, rows_skipped, rows_quarantined: of all its partitions.
        changes: what publication did, such as ``{"added": 3}``; empty for a check.
        problems: what the audit found wrong.
        file: the JSON that says all of it.
    """

    run: str
    kind: Literal["checked", "published"]
    time: str
    model: str | None
    partitions: int
    rows_read: int
    rows_scored: int
    rows_skipped: int
    rows_quarantined: int
    passed: bool | None
    changes: JsonObject
    problems: Sequence[str]
    file: str

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return asdict(self)


def runs(uri: str, *, most: int = _MOST, conn_id: str | None = None) -> list[StoredRun]:
    """The newest runs of an output, or of a folder where scores are staged, newest first.

    Raises:
        InputError: none is there, or `most` is below 1.
    """
    if most < 1:
        raise InputError(f"most={most}: give at least 1 run")
    location = usable(Location(uri, conn_id))
    folder = target_of(location).runs
    traces = [file for file in storage.list_files(folder, recursive=True) if file.uri.endswith((VERDICT, _REPORT))]
    if not traces:
        raise InputError(f"no run left a trace in {folder}: give what a run published, or where it staged its scores")
    newest = sorted(traces, key=lambda file: -file.mtime_ns)[:most]
    found = storage.each(lambda file: _run(location.at(file.uri), file), newest, folder.uri)
    return [run for run in found if run is not None]


def _run(place: Location, file: FileInfo) -> StoredRun | None:
    value = storage.read_json(place)
    if value is None or "run" not in value:
        return None
    is_check = file.uri.endswith(VERDICT)
    totals: JsonMapping = value if is_check else value["totals"]
    checks = value.get("checks") if is_check else (value.get("passed") or {}).get("checks")
    problems = [check["problem"] for check in checks or [] if check.get("problem")]
    changes: JsonObject = {name: len(value[name]) for name in _CHANGES if name in value}
    return StoredRun(
        run=f"{value['run']['dag_id']}/{value['run']['run_id']}",
        kind="checked" if is_check else "published",
        time=datetime.fromtimestamp(file.mtime_ns / 1e9, UTC).isoformat(timespec="seconds"),
        model=(value.get("model") or {}).get("version"),
        partitions=totals["partitions"],
        **{name: totals[name] for name in ("rows_read", "rows_scored", "rows_skipped", "rows_quarantined")},
        passed=value.get("passed") if is_check else (None if checks is None else not problems),
        changes=changes,
        problems=problems,
        file=file.uri,
    )
