"""Who may see what, and do what: asked of Airflow's auth manager, for the DAG of the request."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.dag import DagModel
from fastapi import Depends

from airflow_batchscore.compat import has_task_state_store
from airflow_batchscore.publish.run_view import May

#: What a run's page shows: the run, its tasks, and what they returned.
SEEN = (DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
MAY_SEE = [Depends(requires_access_dag("GET", entity)) for entity in SEEN]
#: To see what was returned alone: reports, and what lies on storage.
MAY_SEE_RESULTS = [Depends(requires_access_dag("GET", DagAccessEntity.XCOM))]


def _may(dag_id: str, user: GetUserDep) -> May:
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    manager = get_auth_manager()
    rerun = manager.is_authorized_dag(
        method="PUT", access_entity=DagAccessEntity.TASK_INSTANCE, details=details, user=user
    )
    return May(
        rerun=rerun,
        ask=rerun and has_task_state_store(),
    )


MayDep = Annotated[May, Depends(_may)]
