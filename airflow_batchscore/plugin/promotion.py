"""Moving an alias from the page: what a task may do, a person may who may edit the DAG."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from airflow.models.dag import DagModel
from airflow.models.log import Log
from fastapi import HTTPException
from sqlalchemy import select

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import BatchScoreError, ModelMissingError, OutputError
from airflow_batchscore.operators.places import configured, is_in, require_output
from airflow_batchscore.operators.trust import configured_trust
from airflow_batchscore.plugin.model_list import forget, named_models
from airflow_batchscore.plugin.scoring_dags import scoring_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_batchscore.model.reference import ModelRef

EVENT = "batchscore_promote"


def promote(session: Session, dag_id: str, model: Location, alias: str, version: str, user: str) -> None:
    """Point the alias at a version whose every byte is verified, and leave a record in Airflow's audit log.

    Args:
        dag_id: a DAG that the user may edit, of which a run has trained, checked or used the model.
        model: as the list of models names it, with its connection.
        user: for the audit log, and the alias's own history.

    Raises:
        HTTPException: 403: the model may not be loaded, or the alias not written. 404: no such model or version.
            409: the version is damaged, or a task moves the alias. 502: the storage does not answer.
    """
    from airflow_batchscore.model.reference import alias_uri, set_alias

    _require_named(session, dag_id, model)
    dag_file = session.scalar(select(DagModel.fileloc).where(DagModel.dag_id == dag_id))
    session.close()  # before storage is read, which may hang
    try:
        model = connect(model)
        pointer = model.at(alias_uri(model.uri, alias))
        require_output(f"the alias {alias!r} of model", pointer, dag_file)
        ref = _intact(model, version)
        before = (storage.read_json(pointer) or {}).get("version")
        extra = {"model": model.uri, "conn_id": model.conn_id, "alias": alias, "version": version, "before": before}
        session.add(Log(EVENT, dag_id=dag_id, owner=user, owner_display_name=user, extra=json.dumps(extra)))
        session.commit()  # also if what follows fails, as Airflow's own routes do
        moved = set_alias(model.uri, alias, ref, time.time_ns(), user)
        forget(model)
        if not moved:
            raise HTTPException(409, f"{alias} was moved meanwhile; load the page again")
    except ModelMissingError as error:
        raise HTTPException(404, str(error)) from error
    except OutputError as error:
        raise HTTPException(403, f"{error}. Ask somebody who configures Airflow") from error
    except BatchScoreError as error:
        raise HTTPException(409, f"{alias} was not moved: {error}") from error
    except OSError as error:
        raise HTTPException(502, f"the API server cannot reach {model}: {error}") from error


def _require_named(session: Session, dag_id: str, model: Location) -> None:
    """A run of the DAG has named the model, by this connection. Closes the session."""
    named, unread = named_models(session, scoring_dags(session, [dag_id]))
    if any(each.model == model for several in named.values() for each in several):
        return
    if unread:
        raise HTTPException(
            502, f"the models of some runs of {dag_id} ({unread}) could not be read from storage: try again in a minute"
        )
    raise HTTPException(
        404,
        f"no recent run of {dag_id} has trained, checked or scored with a model at {model.described}: name a DAG whose "
        "run did, or run its CheckModelOperator with promote_to",
    )


def _intact(model: Location, version: str) -> ModelRef:
    from airflow_batchscore.model.artifact import verify
    from airflow_batchscore.model.reference import check_name, resolve
    from airflow_batchscore.model.trust import ModelAccess

    limits = configured("trusted_model_uris")
    if limits and not is_in(model, limits):
        raise HTTPException(
            403, f"{model.described} lies in none of [batchscore] trusted_model_uris: ask who administers Airflow"
        )
    name = check_name(version, "version")
    ref = resolve(f"{model.uri}/{name}", ModelAccess(model.conn_id, configured_trust((model,))))
    verify(ref)
    return ref
