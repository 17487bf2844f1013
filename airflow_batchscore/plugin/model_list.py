"""The models that runs have trained, imported, checked or scored with; what lies there is read from storage.

A model is looked at only where a sealed XCom of a run names it, and through the connection that this names, or that the
DAG's author wrote for the task.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.connections import connect, known_as
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.operators.stored_lists import full
from airflow_batchscore.plan.models import NoModel, models_from_dict
from airflow_batchscore.plugin.recent_runs import Dags, RecentRun, RunCache, recent_runs, returned_in
from airflow_batchscore.plugin.scoring_dags import ScoringDagTask
from airflow_batchscore.plugin.xcoms import Returned

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_batchscore.model.listing import ListedAlias

log = logging.getLogger(__name__)

#: Runs of all DAGs together that are looked at.
_MOST_RUNS = 200
_MOST_MODELS = 50
_MOST_USERS = 20


@dataclass(frozen=True)
class NamedModel:
    """A version that a run names.

    Attributes:
        model: folder of its versions.
        is_used: whether the run scores with it.
    """

    model: Location
    version: str
    is_used: bool


_kept: RunCache[Sequence[NamedModel]] = RunCache(2_000)


def named_models(session: Session, dags: Dags) -> dict[RecentRun, Sequence[NamedModel]]:
    """The models that the last runs of these DAGs name, newest run first."""
    runs = recent_runs(session, dags, _MOST_RUNS)
    named = _kept.of(runs, lambda new: _named(session, new, dags))
    return {run: named.get(run, ()) for run in runs}


def model_list(session: Session, dags: Dags, editable: Collection[str]) -> JsonObject:
    """See ``ModelsView`` in types.ts.

    Args:
        editable: DAGs that the user may edit.
    """
    named = named_models(session, dags)
    models = list(dict.fromkeys(each.model for several in named.values() for each in several))
    more = f"There are {len(models)} models; these are the {_MOST_MODELS} that runs named last."
    return {
        "models": [model_history(model, named, editable) for model in models[:_MOST_MODELS]],
        "problem": more if len(models) > _MOST_MODELS else None,
    }


def model_history(
    model: Location, named: Mapping[RecentRun, Sequence[NamedModel]], editable: Collection[str]
) -> JsonObject:
    """A model as ``ModelHistory`` in types.ts. The DAGs that the user may edit come first in ``dag_ids``."""
    from airflow_batchscore.model.listing import ModelListing, list_model

    runs = [(run, each) for run, several in named.items() for each in several if each.model == model]
    dag_ids = sorted({run.dag_id for run, _ in runs}, key=lambda dag_id: (dag_id not in editable, dag_id))
    try:
        listing = list_model(connect(model))
    except (BatchScoreError, OSError) as error:
        listing = ModelListing([], [], f"{model} cannot be read by the API server: {error}")
    users: dict[str, list[JsonObject]] = {}
    for run, each in runs:
        if each.is_used:
            users.setdefault(each.version, []).append(_short(run))
    aliases = {alias.alias: alias.version for alias in listing.aliases}
    versions = [
        {
            **asdict(version),
            "aliases": [alias for alias, points_at in aliases.items() if points_at == version.version],
            "runs": users.get(version.version, [])[:_MOST_USERS],
        }
        for version in listing.versions
    ]
    return {
        "uri": model.uri,
        "dag_ids": dag_ids,
        "may": {"promote": any(dag_id in editable for dag_id in dag_ids)},
        "versions": versions,
        "aliases": [_alias(alias) for alias in listing.aliases],
        "problem": listing.problem,
    }


def _alias(alias: ListedAlias) -> JsonObject:
    moves = [{"version": move.version, "when": move.when, "by": move.by} for move in alias.moves]
    return {"alias": alias.alias, "version": alias.version, "moves": moves}


def _short(run: RecentRun) -> JsonObject:
    return {name: value for name, value in run.to_dict().items() if name != "state"}


def _named(session: Session, runs: list[RecentRun], dags: Dags) -> dict[RecentRun, Sequence[NamedModel]]:
    found: dict[RecentRun, dict[tuple[Location, str], NamedModel]] = {run: {} for run in runs}
    unread = set[RecentRun]()
    for run, _, plan in returned_in(session, runs, dags, "plan", part=0):
        try:
            found[run] |= {(each.model, each.version): each for each in _planned(plan)}
        except (BatchScoreError, OSError) as error:
            log.warning("%s: the list of its models cannot be read: %s", run.name, error)
            unread.add(run)
    for run, task, value in returned_in(session, runs, dags, "train", "import", "check_model"):
        if made := _made(task, value):
            found[run].setdefault((made.model, made.version), made)
    return {run: list(models.values()) for run, models in found.items() if run not in unread}


def _planned(plan: Returned) -> Iterator[NamedModel]:
    """Of the plan's first entry: where each partition has its own model, the others are not looked for.

    Raises if the list of models cannot be read.
    """
    entry = plan.unsealed_or_none("plan")
    models = models_from_dict(full([entry["models"]])[0]) if entry else NoModel()
    for ref in [] if isinstance(models, NoModel) else models.pinned[:_MOST_MODELS]:
        yield NamedModel(ref.location.parent, ref.version, is_used=True)


def _made(task: ScoringDagTask, value: Returned) -> NamedModel | None:
    """None for many models at once, whose name is a template, and where only the task knows the connection."""
    sealed = value.unsealed_or_none("model")
    name = str(sealed["model"]) if sealed else ""
    if not name or "{" in name or "@" in name.rpartition("/")[2] or task.conn_is_open:
        return None
    version = known_as(Location(name, task.conn_id))
    return NamedModel(version.parent, version.name, is_used=False)
