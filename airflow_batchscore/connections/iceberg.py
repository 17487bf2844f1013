"""Properties of an Iceberg catalog from an Airflow connection."""

from __future__ import annotations

from airflow_batchscore.connections.lookup import require_connection
from airflow_batchscore.data.storage.credentials import StorageOptions


def options(conn_id: str, uri: str, *, named: bool) -> StorageOptions:
    """Arguments of ``pyiceberg.catalog.load_catalog``; see `ConnectionOptions`.

    The extra holds them as pyiceberg names them. As in the provider of Apache Iceberg, the host is the ``uri`` of the
    catalog, and login and password are the client of its OAuth.

    Args:
        uri: the table, for messages.

    Raises:
        InputError: there is no such connection.
    """
    connection = require_connection(uri, conn_id)
    chosen: dict[str, object] = {}
    if connection.host:
        chosen["uri"] = connection.host
    if connection.login and connection.password:
        chosen["credential"] = f"{connection.login}:{connection.password}"
    extra = {name: str(value) for name, value in connection.extra_dejson.items()}
    return {"type": "rest", **chosen, **extra} if connection.host and "type" not in extra else {**chosen, **extra}
