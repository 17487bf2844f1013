"""Reads the state of a run from Airflow's database, for pages. The caller asks the auth manager first."""

from __future__ import annotations

from typing import Any

from airflow.models.xcom import XComModel

from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.publish.published import PublishedRun


def published_run(session: Any, dag_id: str, run_id: str, task_id: str, map_index: int) -> PublishedRun | None:
    """What a publishing task returned; None if it has returned nothing, or is a task of another kind.

    Raises:
        GateError: the task did not return this: somebody edited its XCom.
        InputError: another version of this package returned it.
    """
    row = session.scalars(
        XComModel.get_many(
            run_id=run_id, key="return_value", dag_ids=dag_id, task_ids=task_id, map_indexes=map_index, limit=1
        )
    ).first()
    # As stored: an edited value is checked before it is deserialised into objects.
    value = None if row is None else row.value
    if not isinstance(value, dict) or "report" not in value:
        return None
    return PublishedRun.from_dict(
        unseal("the report", value, "publication", f"{dag_id}/{run_id}", {task_id}, map_index)
    )
