"""Which partition of a data set was scored when, with which model version: a grid of partitions and runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from airflow_batchscore.data.json_types import Json, JsonObject
from airflow_batchscore.data.pattern import partition_key, sort_key
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import ChampionAndChallenger, ModelByColumn, ModelPerPartition

MOST_RUNS = 30
#: The last ones, which are the newest where partitions are dates.
MOST_PARTITIONS = 2_000

#: Cells of the grid that hold no index of a version.
_NOT_SCORED, _FAILED = -1, -2
_FUNCTION = "a function"


@dataclass(frozen=True)
class Stage:
    """What a plan and the scoring tasks that it feeds did with a data set.

    Attributes:
        planned: partition key -> model version.
        scored: partition keys.
    """

    planned: Mapping[str, str]
    scored: Set[str]


def together(stages: Iterable[Stage]) -> Stage:
    """What a run did that scores with several models: a partition is scored once every stage that planned it did so."""
    versions: dict[str, dict[str, None]] = {}
    missing = set[str]()
    for stage in stages:
        for key, version in stage.planned.items():
            versions.setdefault(key, {})[version] = None
        missing |= stage.planned.keys() - stage.scored
    return Stage({key: ", ".join(several) for key, several in versions.items()}, versions.keys() - missing)


@dataclass(frozen=True)
class GridRun:
    """What a run planned and scored of a data set.

    Attributes:
        started: ISO 8601, UTC; None if it has not begun.
        has_ended: whether what it has not scored failed there.
        planned: partition key -> model version.
        order: partition key -> what to sort it by.
        scored: partition keys.
    """

    dag_id: str
    run_id: str
    started: str | None
    state: str | None
    has_ended: bool
    planned: Mapping[str, str]
    order: Mapping[str, Json]
    scored: Set[str]

    def to_dict(self) -> JsonObject:
        """Plain JSON: the run alone."""
        return {"dag_id": self.dag_id, "run_id": self.run_id, "started": self.started, "state": self.state}


@dataclass(frozen=True)
class _Latest:
    """How a partition stands; see ``DatasetHistory.latest`` in types.ts."""

    state: Literal["fresh", "stale", "missing"]
    why: str
    version: str | None = None
    run_id: str | None = None


def versions_of(entry: PlanEntry) -> dict[str, str]:
    """Partition key -> model version."""
    keys, models = entry.keys, entry.models
    if isinstance(models, ModelPerPartition):
        chosen = {key: choice.model.version if choice.model else choice.note for key, choice in models.choices.items()}
        return {key: chosen[key] for key in keys}
    if isinstance(models, ModelByColumn):
        return dict.fromkeys(keys, f"one for each {models.column}")
    if isinstance(models, ChampionAndChallenger):
        return dict.fromkeys(keys, models.champion.version)
    return dict.fromkeys(keys, models.model.version if hasattr(models, "model") else _FUNCTION)


def order_of(entry: PlanEntry) -> dict[str, Json]:
    """Partition key -> what to sort it by."""
    return {partition_key(values): sort_key(values) for values in entry.partitions}


def dataset_history(dataset: str, runs: Sequence[GridRun]) -> JsonObject:
    """The grid as ``DatasetHistory`` in types.ts.

    Args:
        dataset: URI template.
        runs: that planned partitions of it, oldest first; at least one.
    """
    runs = runs[-MOST_RUNS:]
    order = {key: place for run in runs for key, place in run.order.items()}
    keys = sorted(order, key=lambda key: order[key])[-MOST_PARTITIONS:]
    versions = list(dict.fromkeys(run.planned[key] for run in runs for key in keys if key in run.planned))
    index = {version: number for number, version in enumerate(versions)}
    return {
        "dataset": dataset,
        "dag_ids": sorted({run.dag_id for run in runs}),
        "partitions": keys,
        "runs": [run.to_dict() for run in runs],
        "versions": versions,
        "cells": [[_cell(key, run, index) for run in runs] for key in keys],
        "latest": [vars(_latest(key, runs)) for key in keys],
    }


def _cell(key: str, run: GridRun, index: Mapping[str, int]) -> int:
    if key in run.scored:
        return index[run.planned[key]]
    return _FAILED if key in run.planned and run.has_ended else _NOT_SCORED


def _latest(key: str, runs: Sequence[GridRun]) -> _Latest:
    scored = next((run for run in reversed(runs) if key in run.scored), None)
    planned = next(run for run in reversed(runs) if key in run.planned)
    failed = planned is not scored and planned.has_ended
    if scored is None:
        if failed:
            return _Latest("missing", f"Run {planned.run_id} failed on it, and no other run here has scored it.")
        return _Latest("missing", f"Run {planned.run_id} has planned it, and has not scored it yet.")
    version, run_id = scored.planned[key], scored.run_id
    if failed:
        why = f"Run {planned.run_id} failed on it: its scores are those of run {run_id}."
        return _Latest("stale", why, version, run_id)
    newest = runs[-1]
    wanted = newest.planned.get(key) or _only(newest)
    if wanted not in (None, version):
        why = f"Run {run_id} scored it with version {version}; the newest run, {newest.run_id}, uses {wanted}."
        return _Latest("stale", why, version, run_id)
    return _Latest("fresh", f"Run {run_id} scored it with version {version}.", version, run_id)


def _only(run: GridRun) -> str | None:
    """The version that a run used for all of its partitions; None if they had several."""
    versions = set(run.planned.values())
    return versions.pop() if len(versions) == 1 else None
