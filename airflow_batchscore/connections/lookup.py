"""What the modules of this room share: does a connection exist, is its provider installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from airflow.sdk import Connection


def require_connection(uri: str, conn_id: str) -> Connection:
    """The Airflow connection. Raises InputError if it does not exist."""
    connection = find_connection(conn_id)
    if connection is None:
        raise InputError(f"{uri}: the connection {conn_id!r} does not exist; add it, or correct conn_id")
    return connection


def find_connection(conn_id: str) -> Connection | None:
    """The Airflow connection; None if it does not exist."""
    from airflow.sdk.bases.hook import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None


def provider_missing(uri: str, provider: str, extra: str) -> InputError:
    """The error for a provider that is not installed."""
    return InputError(f"{uri} needs the {provider} provider: pip install 'airflow-batchscore[{extra}]' on the workers")
