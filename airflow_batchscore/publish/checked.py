"""Which staged scores the checks of runs were given, by the verdicts that they left: a run can have several checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.publish.runs import VERDICT
from airflow_batchscore.publish.staged import named_identities
from airflow_batchscore.publish.targets.base import RUNS


@dataclass(frozen=True)
class CheckedRun:
    """What the checks of a run were given.

    Attributes:
        time_ns: of its newest verdict, in ns since 1970.
        scores: ``<partition>/<identity>`` of what it was to publish.
        challenger: the same of what a challenger scored.
    """

    time_ns: int
    scores: frozenset[str]
    challenger: frozenset[str]


def checked_runs(staging: Location, since_ns: int) -> list[CheckedRun]:
    """Runs with a check since then, newest first.

    Raises OSError if the storage does not answer.
    """
    by_run: dict[str, list[FileInfo]] = {}
    for file in storage.list_files(staging / RUNS, recursive=True):
        if file.uri.endswith(VERDICT):
            by_run.setdefault(file.uri.rpartition("/")[0], []).append(file)
    runs = [files for files in by_run.values() if _newest(files) >= since_ns]
    runs.sort(key=_newest, reverse=True)
    wanted = [staging.at(file.uri) for files in runs for file in files]
    verdicts = iter([verdict or {} for verdict in storage.each(storage.read_json, wanted, staging.uri)])
    found = [(_newest(files), [next(verdicts) for _ in files]) for files in runs]
    return [CheckedRun(time, _named(those, "scores"), _named(those, "challenger_scores")) for time, those in found]


def _newest(files: Sequence[FileInfo]) -> int:
    return max(file.mtime_ns for file in files)


def _named(verdicts: Sequence[JsonMapping], kind: str) -> frozenset[str]:
    scores = [score for verdict in verdicts for score in verdict.get(kind, ())]
    return frozenset(named_identities([score["manifest"] for score in scores]))
