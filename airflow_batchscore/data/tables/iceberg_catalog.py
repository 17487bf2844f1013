"""The catalog of an Iceberg table, with the credentials of both connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.credentials import options_of
from airflow_batchscore.data.tables.kinds import Iceberg
from airflow_batchscore.data.tables.table_storage import iceberg_options
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def load(table: Iceberg, location: Location) -> Catalog:
    """Raises InputError if nothing says where the catalog is.

    Args:
        location: of the table's files.
    """
    from pyiceberg.catalog import load_catalog

    properties = {**iceberg_options(location), **(options_of(table.registered_as) or {})}
    try:
        return load_catalog(table.catalog, **properties)
    except ValueError as error:  # it is not configured
        raise InputError(
            f"{table}: {error}. Give the catalog's properties in an Airflow connection (Iceberg(..., conn_id='lake')), "
            "or in pyiceberg's own configuration"
        ) from error
