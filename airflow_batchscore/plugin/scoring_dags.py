"""Which DAGs have tasks of this package, from Airflow's serialized DAGs; each version of a DAG is looked at once."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from airflow.models.dag_version import DagVersion
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import func, select

from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.operators.base import BatchScoreOperator
from airflow_batchscore.plugin.cache import Cache
from airflow_batchscore.publish.run_view_records import KINDS, Kind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: DAGs that are read in one query: serialized, a DAG can have megabytes.
_AT_ONCE = 50
#: Hash of a serialized DAG -> its tasks of this package; an Airflow has far fewer DAGs.
_known: Cache[str, Sequence[ScoringDagTask]] = Cache(20_000)


@dataclass(frozen=True)
class ScoringDagTask:
    """A task of this package in a DAG, as its author wrote it.

    Attributes:
        conn_id: connection of what it reads or writes; None for the storage's default, or if `conn_is_open`.
        conn_is_open: whether the connection's name is a template, and so not known from the DAG alone.
        dataset: URI, which may hold a template; None if it has none.
        downstream: this package's tasks that come next: at once, or after tasks of others.
    """

    task_id: str
    kind: Kind
    conn_id: str | None
    conn_is_open: bool
    dataset: str | None
    downstream: frozenset[str]


def scoring_dags(session: Session, dag_ids: Collection[str]) -> dict[str, Sequence[ScoringDagTask]]:
    """Of the given DAGs those with tasks of this package, and these tasks, in their newest version."""
    hashes = _newest_hashes(session, dag_ids)
    known = _tasks(session, hashes.values())
    found = {dag_id: known.get(dag_hash, ()) for dag_id, (_, dag_hash) in hashes.items()}
    return {dag_id: tasks for dag_id, tasks in found.items() if tasks}


def tasks_in_run(session: Session, dag_id: str, run_id: str) -> dict[str, ScoringDagTask] | None:
    """Task id -> task of this package, in the versions of the DAG that a run has used.

    None if Airflow does not know them all any more.
    """
    version = TaskInstance.__table__.c.dag_version_id
    used = select(version).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id).distinct()
    versions = set(session.scalars(used))
    rows = session.execute(
        select(SerializedDagModel.dag_version_id, SerializedDagModel.id, SerializedDagModel.dag_hash).where(
            SerializedDagModel.dag_version_id.in_(versions)
        )
    ).all()
    if {row.dag_version_id for row in rows} != versions:
        return None
    known = _tasks(session, [(row.id, row.dag_hash) for row in rows])
    return {task.task_id: task for tasks in known.values() for task in tasks}


def _tasks(session: Session, dags: Collection[tuple[object, str]]) -> dict[str, Sequence[ScoringDagTask]]:
    """Hash of a serialized DAG -> its tasks of this package.

    Args:
        dags: row and hash of each.
    """
    known = _known.recall(dag_hash for _, dag_hash in dags)
    unknown = [row for row, dag_hash in dags if dag_hash not in known]
    for start in range(0, len(unknown), _AT_ONCE):
        chosen = SerializedDagModel.id.in_(unknown[start : start + _AT_ONCE])
        for dag in session.scalars(select(SerializedDagModel).where(chosen)):
            known[dag.dag_hash] = tuple(tasks_of(dag.data or {}))
            session.expunge(dag)
    _known.keep(known)
    return known


def tasks_of(serialized: JsonMapping) -> Iterator[ScoringDagTask]:
    """The tasks of this package in a serialized DAG, in the order in which it lists them."""
    tasks = [each.get("__var", {}) for each in serialized.get("dag", {}).get("tasks", ())]
    kinds = {task["task_id"]: kind for task in tasks if (kind := _kind(task))}
    downstream = {task["task_id"]: task.get("downstream_task_ids", ()) for task in tasks if "task_id" in task}
    for task in tasks:
        kind = kinds.get(task.get("task_id"))
        if kind:
            given = {**task, **task.get("partial_kwargs", {})}
            conn_id = given.get("conn_id")
            is_open = conn_id is not None and (not isinstance(conn_id, str) or "{" in conn_id)
            yield ScoringDagTask(
                task_id=task["task_id"],
                kind=kind,
                conn_id=None if is_open else conn_id,
                conn_is_open=is_open,
                dataset=_uri(given),
                downstream=_next(task["task_id"], downstream, kinds),
            )


def _next(task_id: str, downstream: Mapping[str, Collection[str]], ours: Collection[str]) -> frozenset[str]:
    """Of our tasks those that a task leads to with none of ours in between."""
    seen, ahead = set[str](), [*downstream[task_id]]
    while ahead:
        other = ahead.pop()
        if other not in seen:
            seen.add(other)
            ahead += () if other in ours else downstream.get(other, ())
    return frozenset(seen & set(ours))


def _kind(task: JsonMapping) -> Kind | None:
    """By what subclasses inherit: the serialized form names a task's own class, and not the classes that it extends."""
    if task.get("ui_color") != BatchScoreOperator.ui_color:
        return None
    fields = set(task.get("template_fields", ()))
    return next((kind for kind, own in _template_fields().items() if own <= fields), None)


@cache
def _template_fields() -> Mapping[Kind, frozenset[str]]:
    """Those with many fields first: a class may have all the fields of another one."""
    from airflow_batchscore import operators
    from airflow_batchscore.sensors import PartitionSensor

    kinds = {kind: PartitionSensor if kind == "wait" else getattr(operators, name) for name, kind in KINDS.items()}
    fields = {kind: frozenset(operator.template_fields) for kind, operator in kinds.items()}
    return dict(sorted(fields.items(), key=lambda item: -len(item[1])))


def _uri(task: JsonMapping) -> str | None:
    """Of ``PartitionedDataset(uri='...', ...)``, which is how a dataset is serialized."""
    try:
        (call,) = (ast.parse(str(task.get("dataset")), mode="eval").body,)
        given = {word.arg: word.value for word in call.keywords} if isinstance(call, ast.Call) else {}
        uri = ast.literal_eval(given["uri"])
    except (SyntaxError, ValueError, KeyError):
        return None
    return str(uri)


def _newest_hashes(session: Session, dag_ids: Collection[str]) -> dict[str, tuple[object, str]]:
    """DAG id -> row and hash of its newest version, without the DAG itself."""
    newest = (
        select(DagVersion.dag_id, func.max(DagVersion.version_number).label("number"))
        .join(SerializedDagModel, SerializedDagModel.dag_version_id == DagVersion.id)
        .where(DagVersion.dag_id.in_(dag_ids))
        .group_by(DagVersion.dag_id)
        .subquery()
    )
    rows = session.execute(
        select(SerializedDagModel.dag_id, SerializedDagModel.id, SerializedDagModel.dag_hash)
        .join(DagVersion, SerializedDagModel.dag_version_id == DagVersion.id)
        .join(newest, (DagVersion.dag_id == newest.c.dag_id) & (DagVersion.version_number == newest.c.number))
    )
    return {dag_id: (version, dag_hash) for dag_id, version, dag_hash in rows}
