"""The credentials of a storage's connection, as the libraries of tables take them."""

from __future__ import annotations

from airflow_batchscore.data.storage import Location, real, split_scheme
from airflow_batchscore.data.storage.credentials import options_of
from airflow_batchscore.errors import BatchScoreError

_DELTA = {
    "access_key": "aws_access_key_id",
    "secret_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
    "region": "aws_region",
}
_ICEBERG = {
    "access_key": "s3.access-key-id",
    "secret_key": "s3.secret-access-key",
    "session_token": "s3.session-token",
    "region": "s3.region",
    "connect_timeout": "s3.connect-timeout",
    "request_timeout": "s3.request-timeout",
}

#: A server that is not Amazon's ignores the region, and a request must name one.
_ANY_REGION = "us-east-1"


def delta_options(location: Location, error: type[BatchScoreError]) -> dict[str, str]:
    """``storage_options`` of delta-rs. Raises `error` for a store that it cannot be used with here."""
    scheme, _ = split_scheme(location.uri)
    if scheme == "file":
        return {}
    if scheme != "s3":
        raise error(
            f"{location}: a Delta table is used on a disk or on S3, not on {scheme}://. Use a folder there, or an "
            "Iceberg table, whose catalog has the credentials"
        )
    # A commit is the conditional PUT of its log entry, whatever the environment says.
    chosen = {"aws_conditional_put": "etag", "aws_s3_allow_unsafe_rename": "false"}
    options = options_of(location.conn_id) or {}
    chosen |= {theirs: str(options[ours]) for ours, theirs in _DELTA.items() if options.get(ours)}
    if endpoint := _endpoint(location):
        chosen |= {"aws_endpoint_url": endpoint, "aws_allow_http": str(endpoint.startswith("http://")).lower()}
        chosen.setdefault("aws_region", _ANY_REGION)
    return chosen


def iceberg_options(location: Location) -> dict[str, str]:
    """Properties of pyiceberg's file IO; none for a store whose catalog has to give them."""
    options = options_of(location.conn_id) or {}
    if split_scheme(location.uri)[0] != "s3" or not options:
        return {}
    chosen = {theirs: str(options[ours]) for ours, theirs in _ICEBERG.items() if options.get(ours)}
    if endpoint := _endpoint(location):
        chosen["s3.endpoint"] = endpoint
        chosen.setdefault("s3.region", _ANY_REGION)
    return chosen


def _endpoint(location: Location) -> str:
    options = options_of(location.conn_id) or {}
    place = str(options.get("endpoint_override") or "")
    return place if not place or "://" in place else f"{options.get('scheme') or 'https'}://{place}"


def place_of(location: Location) -> str:
    """The table's folder as the libraries write it: a plain path on a disk, ``s3://bucket/key`` in a store."""
    return real(location.uri)
