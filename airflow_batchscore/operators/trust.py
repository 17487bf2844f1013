"""Which models a task may load: those below what the DAG's author wrote, or below what the configuration lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook, conf

from airflow_batchscore.connections import known_as
from airflow_batchscore.data.storage import Location, parent
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model.trust import Trust
from airflow_batchscore.operators.authored import Authored, argument, dag_of, kind_of, written_by_author
from airflow_batchscore.operators.places import PlacedOperator, configured, is_in, words
from airflow_batchscore.operators.seal import SECTION

if TYPE_CHECKING:
    from airflow.sdk import Context


def configured_trust(prefixes: tuple[Location, ...] | None = None) -> Trust:
    """``[batchscore]``: ``signing_conn_id``, ``require_signature`` and ``trusted_types``.

    Args:
        prefixes: the folders that models must be in; None if the model is already sealed.
    """
    conn_id = conf.get(SECTION, "signing_conn_id", fallback="") or ""
    key = BaseHook.get_connection(conn_id).password if conn_id else None
    if conn_id and not key:
        raise InputError(f"[batchscore] signing_conn_id={conn_id}: the connection has no password, which is the key")
    return Trust(
        prefixes=prefixes,
        key=key.encode() if key else None,
        require_signature=conf.getboolean(SECTION, "require_signature", fallback=False),
        types=words("trusted_types"),
    )


def model_trust(operator: PlacedOperator, context: Context, *fields: str) -> Trust:
    """What may be loaded as the models that the given arguments name.

    A model must be in the folder that the DAG's author began its argument with, or, if it comes from another task, in
    one that the DAG names elsewhere; ``[batchscore] trusted_model_uris``, if set, limits these. A model that the DAG
    names nowhere may only be in those.
    """
    limits = configured("trusted_model_uris")
    conn_id = getattr(operator, "conn_id", None)
    trusted: list[Location] = []
    for field in fields:
        if not argument(operator, field):
            continue
        folders = [_folder(written, "model") for written in operator.authored(field, context)]
        own = [known_as(Location(folder, conn_id)) for folder in folders if folder]
        candidates = own or _of_dag(operator, context)
        if limits:
            limited = _limited(candidates, limits)
            if own and not limited:
                raise ModelError(
                    f"{field}: the DAG names {', '.join(map(str, own))}, and [batchscore] "
                    f"trusted_model_uris lists none of them ({', '.join(map(str, limits))}), so that no "
                    "model was loaded. Add the folder there (conn_id@uri where it has a connection of its own)"
                )
            candidates = limited or list(limits)
        trusted += candidates
    return configured_trust(tuple(dict.fromkeys(trusted)))


def _limited(folders: Sequence[Location], limits: Sequence[Location]) -> list[Location]:
    """The folders that both lists cover."""
    both = [folder for folder in folders if is_in(folder, limits)]
    return both + [limit for limit in limits if is_in(limit, folders)]


def _of_dag(operator: PlacedOperator, context: Context) -> list[Location]:
    """The folders of the models that the DAG's tasks name."""
    environment = operator.get_template_env()
    dag, models = dag_of(operator), list[Location]()
    for task in dag.tasks if dag else [operator]:
        kind = kind_of(task)
        for place in kind.places if issubclass(kind, PlacedOperator) else ():
            if place.use not in ("model", "versions"):
                continue
            conn_ids = written_by_author(task, place.conn, context, environment)
            for written in written_by_author(task, place.field, context, environment):
                folder = _folder(written, place.use)
                if folder and conn_ids[0].whole:
                    models.append(known_as(Location(folder, conn_ids[0].text or None)))
    return models


def _folder(written: Authored, use: str) -> str | None:
    """The folder of a model's versions, or as much of it as the author wrote."""
    text, cut, _ = written.text.partition("{")
    if not written.whole or cut:
        begun = Authored(text, False).folder
        last = text.rpartition("/")[2]
        # For "<uri>@{{ params.alias }}", the model itself.
        return text.rpartition("@")[0] if begun and "@" in last else begun
    if not text:
        return None
    if use == "versions":
        return text.rstrip("/")
    return text.rpartition("@")[0] if "@" in text.rpartition("/")[2] else parent(text)
