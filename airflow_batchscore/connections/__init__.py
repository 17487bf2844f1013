"""Turns Airflow connections into storage options and engine addresses.

Runs in the task (or the triggerer); workers get the result. Each module here serves the storage driver that names its
`options`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from airflow_batchscore.connections.lookup import find_connection
from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.data.storage.driver import ConnectionOptions
from airflow_batchscore.data.tables.kinds import Table, require_table
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.errors import InputError

E = TypeVar("E", bound=Engine)


def connect(location: Location) -> Location:
    """Make a location usable in this process; returns it with the name that its connection is registered under.

    Raises:
        InputError: the connection does not exist, no credentials were found for it, or the storage takes none.
    """
    known = known_as(location)
    name = known.conn_id
    if name is None:
        return known
    from airflow_batchscore.model.functions import import_path

    driver, _ = storage.locate(location.uri)
    if driver.connection is None:
        raise InputError(f"{location}: {driver.schemes[0]}:// takes no connection; leave out conn_id={name!r}")
    options: ConnectionOptions = import_path(driver.connection)
    credentials.register(name, options(name, location.uri, named=location.conn_id is not None))
    return known


def known_as(location: Location) -> Location:
    """The location with the name that its connection is registered under: its own, or the storage's default.

    A disk has none, also if the DAG names one: an operator's argument may name the connection of several places, and
    one of them may be on a disk. `connect` refuses a connection for any other storage that takes none.
    """
    if location.is_local:
        return Location(location.uri)
    driver, _ = storage.locate(location.uri)
    return Location(location.uri, location.conn_id or driver.default_conn_id)


def connect_table(table: Table | None) -> None:
    """Make the connection of a table's catalog usable in this process.

    Raises:
        InputError: the connection does not exist.
    """
    if table is None:
        return
    conn_id = require_table(table).catalog_conn_id
    if conn_id is not None:
        from airflow_batchscore.connections.iceberg import options

        credentials.register(table.registered_as, options(conn_id, str(table), named=True))


def connect_dataset(dataset: PartitionedDataset) -> PartitionedDataset:
    """The dataset with its connections made usable; of a table one version, which is looked at now.

    Raises InputError or OSError like `Table.look`.
    """
    connect_table(dataset.table)
    return replace(dataset, conn_id=connect(Location(dataset.uri, dataset.conn_id)).conn_id).fixed()


def connect_engine(engine: E) -> E:
    """The engine with the address from its Airflow connection, if it has one.

    Raises:
        InputError: the connection does not exist, or names no host.
    """
    if not isinstance(engine, Engine):
        raise InputError(f"engine={engine!r}: its class must derive from airflow_batchscore.engine.base.Engine")
    conn_id = engine.conn_id
    if conn_id is None:
        return engine
    connection = find_connection(conn_id)
    if connection is None:
        raise InputError(f"{engine}: the connection {conn_id!r} does not exist; add it, or correct conn_id")
    if not connection.host:
        raise InputError(f"{engine}: the connection {conn_id!r} names no host; add the cluster's address to it")
    return engine.connected(connection.host, connection.port, connection.extra_dejson)
