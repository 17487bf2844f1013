"""Airflow connections to storage options. Runs in the task (or the triggerer); workers get the result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from airflow_batchscore.data import s3, storage
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.errors import InputError

E = TypeVar("E")

#: The amazon provider's default connection, used for ``s3://`` where none is named.
DEFAULT_AWS_CONN_ID = "aws_default"


def connect(uri: str, conn_id: str | None) -> str | None:
    """Make the connection for `uri` usable in this process; returns the name under which it is known.

    Raises:
        InputError: the connection does not exist, or no credentials were found for it.
    """
    name = known_as(uri, conn_id)
    if name is not None:
        s3.register(name, _s3_options(name, uri, named=conn_id is not None))
    return name


def known_as(uri: str, conn_id: str | None) -> str | None:
    """The name of the connection through which `uri` is read; None where there is none to choose."""
    return conn_id or DEFAULT_AWS_CONN_ID if storage.split_scheme(uri)[0] == "s3" else None


def connect_dataset(dataset: PartitionedDataset) -> PartitionedDataset:
    """The data set with its connection made usable."""
    return replace(dataset, conn_id=connect(dataset.uri, dataset.conn_id))


def connect_engine(engine: E) -> E:
    """The engine with the address that its Airflow connection names, where it has one.

    Raises:
        InputError: the connection does not exist.
    """
    conn_id = getattr(engine, "conn_id", None)
    if conn_id is None:
        return engine
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = Connection.get(conn_id)
    except AirflowNotFoundException as error:
        raise InputError(f"{engine}: the connection {conn_id!r} does not exist; add it, or correct conn_id") from error
    connected: E = engine.connected(connection.host, connection.port, connection.extra_dejson)  # type: ignore[attr-defined]
    return connected


def _s3_options(conn_id: str, uri: str, *, named: bool) -> dict[str, Any]:
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    except ImportError as error:
        raise InputError(
            f"{uri} needs the amazon provider: pip install 'airflow-batchscore[s3]' on the workers"
        ) from error
    from airflow.sdk.exceptions import AirflowNotFoundException

    if named:
        try:
            AwsBaseHook.get_connection(conn_id)
        except AirflowNotFoundException as error:
            raise InputError(f"{uri}: the connection {conn_id!r} does not exist; add it, or correct conn_id") from error
    hook = AwsBaseHook(aws_conn_id=conn_id, client_type="s3")
    session = hook.get_session()
    credentials = session.get_credentials()
    if credentials is None:
        raise InputError(
            f"{uri}: no AWS credentials. The connection {conn_id!r} has none, and boto3 found none in the environment, "
            "a profile or an instance role. Add login and password to the connection"
        )
    frozen = credentials.get_frozen_credentials()
    options: dict[str, Any] = {
        "access_key": frozen.access_key,
        "secret_key": frozen.secret_key,
        "connect_timeout": 10,
        "request_timeout": 60,
    }
    if frozen.token:
        options["session_token"] = frozen.token
    if session.region_name:
        options["region"] = session.region_name
    endpoint = hook.conn_config.get_service_endpoint_url("s3")
    if endpoint:
        parts = urlsplit(endpoint)
        options |= {"scheme": parts.scheme, "endpoint_override": parts.netloc}
    elif "region" not in options:
        from pyarrow.fs import resolve_s3_region

        options["region"] = resolve_s3_region(storage.split_scheme(uri)[1].split("/")[0])
    return options
