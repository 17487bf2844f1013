"""Options of Google Cloud Storage from an Airflow connection of the google provider."""

from __future__ import annotations

from airflow_batchscore.connections.lookup import find_connection, provider_missing, require_connection
from airflow_batchscore.data.storage.credentials import StorageOptions
from airflow_batchscore.errors import InputError


def options(conn_id: str, uri: str, *, named: bool) -> StorageOptions:
    """Credentials and project, with which workers renew their tokens; empty for the machine's own identity.

    See `ConnectionOptions`.

    Raises:
        InputError: there is no such connection, or its key cannot be used.
    """
    if named:
        require_connection(uri, conn_id)
    elif find_connection(conn_id) is None:
        return {}
    try:
        from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
    except ImportError as error:
        if not named:
            return {}  # Airflow itself creates the default connection
        raise provider_missing(uri, "google", "gcs") from error
    try:
        credentials, project = GoogleBaseHook(gcp_conn_id=conn_id).get_credentials_and_project_id()
    except Exception as error:  # the hook raises what its parser, Google's library or Airflow raise
        raise InputError(f"{uri}: the connection {conn_id!r} gives no Google credentials: {error}") from error
    return {"credentials": credentials, "project": project}
