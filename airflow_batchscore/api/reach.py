"""Makes places usable in this process: by the environment's own identity, by registered options, by a connection."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from airflow_batchscore.data.apart import require_staging_apart
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.storage import Location, credentials, locate
from airflow_batchscore.data.tables.kinds import Table, catalog_name, require_table
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.engine.environments.cache import default_folder
from airflow_batchscore.errors import InputError
from airflow_batchscore.publish.targets import PublishTarget, target_of

#: By which Airflow's SDK tells that its database may be asked, as its own commands do.
_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"


def register_connection(conn_id: str, options: Mapping[str, object]) -> None:
    """Give this process a connection, for `conn_id` arguments, without Airflow.

    Args:
        conn_id: any name. Manifests and reports hold it, never the options.
        options: keyword arguments of the storage's library: for S3 those of ``pyarrow.fs.S3FileSystem``
            (``access_key``, ``secret_key``, ``region``, ``endpoint_override``). For ``Iceberg(conn_id=)`` they are
            the catalog's properties, as ``pyiceberg.catalog.load_catalog`` takes them.
    """
    for name in (conn_id, catalog_name(conn_id)):
        credentials.register(name, options)


def usable(location: Location) -> Location:
    """The location, reachable from this process.

    A relative path is one of the current folder.
    Without a connection, the storage's own environment counts: the variables, files and roles that its clients use.

    Raises:
        InputError: the connection is not registered and there is no Airflow that has it.
    """
    driver, _ = locate(location.uri)
    if location.is_local or location.conn_id is None:
        return Location(absolute(location.uri))
    if credentials.options_of(location.conn_id) is not None:
        return location
    if driver.connection is not None:
        _require_airflow(location.conn_id, location.uri)
    from airflow_batchscore.connections import connect

    with _as_airflows_commands():
        return connect(location)


def usable_table(table: Table | None) -> Table | None:
    """The table, whose catalog's connection can be used from this process.

    Raises:
        InputError: it is no table, or its connection is not registered and there is no Airflow that has it.
    """
    if table is None or require_table(table).catalog_conn_id is None:
        return table
    if credentials.options_of(table.registered_as) is None:
        _require_airflow(str(table.catalog_conn_id), str(table))
        from airflow_batchscore.connections import connect_table

        with _as_airflows_commands():
            connect_table(table)
    return table


def target_to(
    publish_to: str | None, table: Table | None, conn_id: str | None, output_uri: str
) -> PublishTarget | None:
    """The output that a run publishes to; None if it publishes nothing. Nothing is read or written.

    Raises:
        InputError: there is a table and no place.
        OutputError: it is not an output of this package, or the folder of staged scores.
    """
    if publish_to is not None:
        target = target_of(usable(Location(publish_to, conn_id)), usable_table(table))
        require_staging_apart(absolute(output_uri), target.location.uri, target.files([]))
        return target
    if table is not None:
        raise InputError(f"table={table}: nothing is published; add publish_to=, the table's folder")
    return None


def absolute(uri: str) -> str:
    """A path as one that means the same in every folder and process; other URIs as they are."""
    if "://" in uri:
        return uri
    end = "/" if uri.endswith("/") and uri.strip("/") else ""
    return os.path.abspath(os.path.expanduser(uri)) + end


def usable_dataset(dataset: PartitionedDataset | str) -> PartitionedDataset:
    """The dataset, reachable from this process; a text is its URI. Of a table one version, which is looked at now."""
    if not isinstance(dataset, PartitionedDataset):
        dataset = PartitionedDataset(dataset)
    place = usable(Location(dataset.uri, dataset.conn_id))
    usable_table(dataset.table)
    return replace(dataset, uri=place.uri, conn_id=place.conn_id).fixed()


def usable_engine(engine: Engine | None) -> Engine:
    """The engine; this process's own cores if there is none.

    Raises:
        InputError: it is no engine, or the connection that it names does not exist.
    """
    from airflow_batchscore.engine.local import LocalDask

    chosen = LocalDask() if engine is None else engine
    if isinstance(chosen, Engine) and chosen.conn_id is None:
        return chosen
    from airflow_batchscore.connections import connect_engine

    if isinstance(chosen, Engine):
        _require_airflow(str(chosen.conn_id), str(chosen))
    with _as_airflows_commands():
        return connect_engine(chosen)


def interpreter_of(engine: Engine) -> str | None:
    """Path of the other Python that the engine scores in, which is made first if it has to be; None for this one."""
    return engine.elsewhere.interpreter(Path.cwd(), Path(default_folder())) if engine.elsewhere else None


def _require_airflow(conn_id: str, what: str) -> None:
    if find_spec("airflow") is None:
        raise InputError(
            f"{what}: conn_id={conn_id!r} is an Airflow connection, and Airflow is not installed here. Leave conn_id "
            "out, to use what the environment has (for S3 AWS_ACCESS_KEY_ID and the like), or give its options by "
            f"airflow_batchscore.register_connection({conn_id!r}, {{...}})"
        )


@contextmanager
def _as_airflows_commands() -> Iterator[None]:
    """Outside of a task Airflow looks for connections in the environment alone, unless it is told this."""
    if _CONTEXT in os.environ:
        yield
        return
    os.environ[_CONTEXT] = "server"
    try:
        yield
    finally:
        del os.environ[_CONTEXT]
