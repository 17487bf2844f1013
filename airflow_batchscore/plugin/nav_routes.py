"""Routes of the page "Batch scoring": runs, models and data sets of the DAGs that the user may read.

Airflow's own dependencies that filter lists read the state of the main app, which a mounted app has not.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel
from fastapi import APIRouter, Depends, Header, HTTPException, Query
from pydantic import BaseModel, Field

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.plugin.access import SEEN
from airflow_batchscore.plugin.dataset_list import dataset_list
from airflow_batchscore.plugin.model_list import model_list
from airflow_batchscore.plugin.promotion import promote
from airflow_batchscore.plugin.recent_runs import Dags
from airflow_batchscore.plugin.run_list import run_list
from airflow_batchscore.plugin.scoring_dags import scoring_dags

router = APIRouter(prefix="/api")

_MOST_PAGES = 1_000_000


def _readable_dags(session: SessionDep, user: GetUserDep) -> Dags:
    """DAGs with tasks of this package that the user may read, as far as a run's page shows them."""
    readable = get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)
    dags = scoring_dags(session, readable)
    return {dag_id: dags[dag_id] for dag_id in _readable(session, user, dags)}


def _readable(session: SessionDep, user: GetUserDep, dag_ids: Collection[str]) -> list[str]:
    """The DAGs whose runs the user may open."""
    return _allowed(session, user, dag_ids, "GET", SEEN)


def _allowed(
    session: SessionDep,
    user: GetUserDep,
    dag_ids: Collection[str],
    method: ResourceMethod,
    entities: Collection[DagAccessEntity | None] = (None,),
) -> list[str]:
    """The DAGs of which the user may do this, as `requires_access_dag` decides it for one.

    Args:
        entities: parts of a DAG that it is done with, all of them; None for the DAG itself.
    """
    manager = get_auth_manager()
    teams = DagModel.get_dag_id_to_team_name_mapping(list(dag_ids), session=session)
    details = {dag_id: DagDetails(id=dag_id, team_name=teams.get(dag_id)) for dag_id in dag_ids}
    return [
        dag_id
        for dag_id in dag_ids
        if all(
            manager.is_authorized_dag(method=method, access_entity=entity, details=details[dag_id], user=user)
            for entity in entities
        )
    ]


DagsDep = Annotated[Dags, Depends(_readable_dags)]


@router.get("/runs")
def runs(
    session: SessionDep,
    dags: DagsDep,
    dag_id: str | None = None,
    state: str | None = None,
    page: Annotated[int, Query(ge=1, le=_MOST_PAGES)] = 1,
) -> JsonObject:
    """Scoring runs, newest first: ``RunsView`` in types.ts."""
    return run_list(session, dags, dag_id=dag_id or None, state=state or None, page=page)


@router.get("/models")
def models(session: SessionDep, dags: DagsDep, user: GetUserDep) -> JsonObject:
    """Models, their versions and aliases: ``ModelsView`` in types.ts."""
    return model_list(session, dags, _allowed(session, user, dags, "PUT"), partial(_readable, session, user))


@router.get("/datasets")
def datasets(session: SessionDep, dags: DagsDep) -> JsonObject:
    """Data sets and which runs scored their partitions: ``DatasetsView`` in types.ts."""
    return {"datasets": dataset_list(session, dags)}


class Promotion(BaseModel):
    """``Promotion`` in types.ts."""

    dag_id: Annotated[str, Field(min_length=1, max_length=250)]
    model_uri: Annotated[str, Field(min_length=1)]
    conn_id: str | None
    alias: Annotated[str, Field(min_length=1, max_length=100)]
    version: Annotated[str, Field(min_length=1, max_length=100)]


def _only_json(content_type: Annotated[str, Header()] = "") -> None:
    """Another site's form cannot send this type. (Airflow's cookie is `SameSite=Lax`, which stops it, too.)"""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON, with Content-Type: application/json")


@router.post("/promote", dependencies=[Depends(_only_json)], status_code=204)
def promotion(wanted: Promotion, session: SessionDep, dags: DagsDep, user: GetUserDep) -> None:
    """Move an alias."""
    editable = _allowed(session, user, dags, "PUT")
    if wanted.dag_id not in editable:
        raise HTTPException(
            403,
            f"you may not edit the DAG {wanted.dag_id}, or it does not exist: ask somebody who may to move the alias",
        )
    model = Location(wanted.model_uri, wanted.conn_id)
    promote(session, wanted.dag_id, model, wanted.alias, wanted.version, user.get_name())
