"""Options of S3 from an Airflow connection of the amazon provider."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow_batchscore.connections.lookup import provider_missing, require_connection
from airflow_batchscore.data.storage import split_scheme
from airflow_batchscore.data.storage.credentials import StorageOptions
from airflow_batchscore.errors import InputError


def options(conn_id: str, uri: str, *, named: bool) -> StorageOptions:
    """Arguments of ``pyarrow.fs.S3FileSystem``; see `ConnectionOptions`.

    Without a connection, boto3's own chain will do.

    Raises:
        InputError: there is no such connection, or no credentials.
    """
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    except ImportError as error:
        raise provider_missing(uri, "amazon", "s3") from error
    if named:
        require_connection(uri, conn_id)
    hook = AwsBaseHook(aws_conn_id=conn_id, client_type="s3")
    session = hook.get_session()
    credentials = session.get_credentials()
    if credentials is None:
        raise InputError(
            f"{uri}: no AWS credentials. The connection {conn_id!r} has none, and boto3 found none in the environment, "
            "a profile or an instance role. Add login and password to the connection"
        )
    frozen = credentials.get_frozen_credentials()
    chosen: dict[str, object] = {
        "access_key": frozen.access_key,
        "secret_key": frozen.secret_key,
        "connect_timeout": 10,
        "request_timeout": 60,
    }
    if frozen.token:
        chosen["session_token"] = frozen.token
    if session.region_name:
        chosen["region"] = session.region_name
    endpoint = hook.conn_config.get_service_endpoint_url("s3")
    if endpoint:
        parts = urlsplit(endpoint)
        chosen |= {"scheme": parts.scheme, "endpoint_override": parts.netloc}
    elif "region" not in chosen:
        from pyarrow.fs import resolve_s3_region

        chosen["region"] = resolve_s3_region(split_scheme(uri)[1].split("/")[0])
    return chosen
