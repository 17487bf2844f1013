"""The models that runs have trained, imported, checked or scored with; what lies there is read from storage.

A model is looked at only where a sealed XCom of a run names it, and through the connection that this names, or that the
DAG's author wrote for the task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from airflow_batchscore.connections import connect, known_as
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.operators.stored_lists import full, references
from airflow_batchscore.plan.models import NoModel, models_from_dict
from airflow_batchscore.plugin.reads import At, LateError, Reads, pool
from airflow_batchscore.plugin.recent_runs import Dags, RecentRun, RunCache, recent_runs, returned_in
from airflow_batchscore.plugin.scoring_dags import ScoringDagTask
from airflow_batchscore.plugin.xcoms import Returned

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_batchscore.model.listing import ListedAlias, ModelListing

log = logging.getLogger(__name__)

#: Runs of all DAGs together that are looked at.
_MOST_RUNS = 200
_MOST_MODELS = 50
_MOST_USERS = 20
#: How long the list waits for storage, for all models together.
_SECONDS = 5.0
_threads = pool("models")


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


#: Run -> the models that it names, newest run first.
Named = Mapping[RecentRun, Sequence[NamedModel]]

_kept: RunCache[Sequence[NamedModel]] = RunCache(2_000)
_plans: Reads[Sequence[NamedModel]] = Reads(most=1_000, threads=_threads)
_listings: Reads[ModelListing] = Reads(most=256, fresh=10.0, threads=_threads)


def named_models(session: Session, dags: Dags) -> tuple[Named, int]:
    """The models that the last runs of these DAGs name, and the number of runs whose lists of models are not read.

    The session is closed before storage is read: it may hang, and must not hold a connection to the database.
    """
    runs = recent_runs(session, dags, _MOST_RUNS)
    named = _kept.of(runs, lambda new: _named(session, new, dags))
    return {run: named[run] for run in runs if run in named}, sum(run not in named for run in runs)


def model_list(
    session: Session, dags: Dags, editable: Collection[str], readable: Callable[[Collection[str]], Collection[str]]
) -> JsonObject:
    """See ``ModelsView`` in types.ts. Closes the session before storage is read.

    Args:
        editable: DAGs that the user may edit.
        readable: of some DAGs those that the user may read; it may use the session again.
    """
    named, unread = named_models(session, dags)
    models = list(dict.fromkeys(each.model for several in named.values() for each in several))
    listings = _listed(models[:_MOST_MODELS])
    movers = {dag_id for listing in listings.values() for dag_id in _movers(listing)}
    hidden = movers.difference(readable(movers))
    problems = []
    if len(models) > _MOST_MODELS:
        problems.append(f"There are {len(models)} models; these are the {_MOST_MODELS} that runs named last.")
    if unread:
        problems.append(f"Runs whose models have not been read from storage: {unread}; reload the page.")
    return {
        "models": [_history(model, listing, named, editable, hidden) for model, listing in listings.items()],
        "problem": " ".join(problems) or None,
    }


def forget(model: Location) -> None:
    """Something changed in its folder: the next list shows it."""
    _listings.forget(model)


def _listed(models: Sequence[Location]) -> dict[Location, ModelListing]:
    """What lies in each folder, as far as storage answers in time."""
    from airflow_batchscore.model.listing import ModelListing

    found, errors = _listings.get_all({model: At(model, partial(_look, model)) for model in models}, _SECONDS)
    for model, error in errors.items():
        if isinstance(error, LateError):
            problem = "storage has not answered yet; reload the page"
        else:
            log.warning("%s cannot be read", model, exc_info=error)
            problem = f"{model} cannot be read by the API server: {error}"
        found[model] = ModelListing([], [], problem)
    return {model: found[model] for model in models}


def _look(model: Location) -> ModelListing:
    from airflow_batchscore.model.listing import list_model

    return list_model(connect(model))


def _history(
    model: Location, listing: ModelListing, named: Named, editable: Collection[str], hidden: Collection[str]
) -> JsonObject:
    """A model as ``ModelHistory`` in types.ts. The DAGs that the user may edit come first in ``dag_ids``.

    Args:
        hidden: DAGs whose runs are not named.
    """
    runs = [(run, each) for run, several in named.items() for each in several if each.model == model]
    dag_ids = sorted({run.dag_id for run, _ in runs}, key=lambda dag_id: (dag_id not in editable, dag_id))
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
        "conn_id": model.conn_id,
        "dag_ids": dag_ids,
        "may": {"promote": any(dag_id in editable for dag_id in dag_ids)},
        "versions": versions,
        "aliases": [_alias(alias, hidden) for alias in listing.aliases],
        "problem": listing.problem,
    }


def _alias(alias: ListedAlias, hidden: Collection[str]) -> JsonObject:
    moves = [
        {"version": move.version, "when": move.when, "by": "" if _dag_of(move.by) in hidden else move.by}
        for move in alias.moves
    ]
    return {"alias": alias.alias, "version": alias.version, "moves": moves}


def _movers(listing: ModelListing) -> set[str]:
    """The DAGs that moved aliases of a model."""
    return {dag_id for alias in listing.aliases for move in alias.moves if (dag_id := _dag_of(move.by))}


def _dag_of(by: str) -> str | None:
    """Of ``<dag_id>/<run_id>``; None for a person."""
    dag_id, slash, _ = by.partition("/")
    return dag_id if slash else None


def _short(run: RecentRun) -> JsonObject:
    return {name: value for name, value in run.to_dict().items() if name != "state"}


def _named(session: Session, runs: list[RecentRun], dags: Dags) -> dict[RecentRun, Sequence[NamedModel]]:
    """Without the runs whose list of models lies in a file that cannot be read now."""
    found: dict[RecentRun, dict[tuple[Location, str], NamedModel]] = {run: {} for run in runs}
    files: dict[Hashable, At[Sequence[NamedModel]]] = {}
    run_of: dict[Hashable, RecentRun] = {}
    for run, _, plan in returned_in(session, runs, dags, "plan", part=0):
        models = (plan.unsealed_or_none("plan") or {}).get("models")
        if file := next(references(models), None):
            name: Hashable = (run.number, plan.task_id, file.digest)
            files[name], run_of[name] = At(file.location, partial(_used_from_file, models)), run
        else:
            found[run] |= {(each.model, each.version): each for each in _used(models)}
    for run, task, value in returned_in(session, runs, dags, "train", "import", "check_model"):
        if made := _made(task, value):
            found[run].setdefault((made.model, made.version), made)
    session.close()
    read, errors = _plans.get_all(files, _SECONDS)
    for name, run in run_of.items():
        found[run] |= {(each.model, each.version): each for each in read.get(name, ())}
    for name, error in errors.items():
        log.warning("%s: the list of its models cannot be read: %s", run_of[name].name, error)
        found.pop(run_of[name], None)
    return {run: list(models.values()) for run, models in found.items()}


def _used_from_file(models: JsonMapping | None) -> Sequence[NamedModel]:
    return _used(full([models])[0])


def _used(models: JsonMapping | None) -> Sequence[NamedModel]:
    """Of the plan's first entry: where each partition has its own model, the others are not looked for."""
    chosen = models_from_dict(models)
    pinned = [] if isinstance(chosen, NoModel) else chosen.pinned[:_MOST_MODELS]
    return [NamedModel(ref.location.parent, ref.version, is_used=True) for ref in pinned]


def _made(task: ScoringDagTask, value: Returned) -> NamedModel | None:
    """None for many models at once, whose name is a template, and where only the task knows the connection."""
    sealed = value.unsealed_or_none("model")
    name = str(sealed["model"]) if sealed else ""
    if not name or "{" in name or "@" in name.rpartition("/")[2] or task.conn_is_open:
        return None
    version = known_as(Location(name, task.conn_id))
    return NamedModel(version.parent, version.name, is_used=False)
