"""Tables as datasets and as outputs: `Delta` and `Iceberg`.

They are read by this room (`PartitionedDataset(table=)`) and written by ``publish`` (`CombineOperator(table=)`).
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.credentials import CATALOG
from airflow_batchscore.errors import InputError, OutputError

if TYPE_CHECKING:
    from airflow_batchscore.data.partition_by import PartitionBy
    from airflow_batchscore.data.tables.snapshot import Snapshot


@dataclass(frozen=True)
class Table(ABC):
    """A kind of table that a folder holds. A class that derives from it adds a kind.

    Attributes:
        format: its name in results and reports.
        publisher: import path of the `PublishTarget` that writes it: a class that takes the folder and the table.
    """

    format: ClassVar[str]
    publisher: ClassVar[str]

    @property
    def catalog_conn_id(self) -> str | None:
        """The Airflow connection of its catalog; None for a table without one."""
        return None

    @property
    def registered_as(self) -> str:
        """The name under which `credentials` has that connection: it may be a storage's, too, with other options."""
        return catalog_name(str(self.catalog_conn_id))

    def look(self, location: Location, version: str, by: PartitionBy) -> Snapshot:
        """One version of the table in that folder.

        Args:
            version: number, snapshot, time or name; empty for the newest.
            by: what its files are told apart by, as far as the table knows.

        Raises:
            InputError: there is no such version, or it cannot be read as it should be.
            OSError: the table cannot be reached.
        """
        raise InputError(f"{location}: {self} can be published to, but not read: there is no look() for this kind")

    def to_dict(self) -> JsonObject:
        """Plain JSON, without secrets."""
        return {"format": self.format, **asdict(self)}


@dataclass(frozen=True)
class Delta(Table):
    """A Delta table: the folder is all that names it."""

    format: ClassVar[str] = "delta"
    publisher: ClassVar[str] = "airflow_batchscore.publish.targets.delta:DeltaTarget"

    def look(self, location: Location, version: str, by: PartitionBy) -> Snapshot:
        from airflow_batchscore.data.tables.delta_snapshot import look

        return look(location, version, by)


@dataclass(frozen=True)
class Iceberg(Table):
    """An Iceberg table in a catalog; the output's folder is the table's location.

    Args:
        name: namespace and table, ``"tennis.scores"``.
        catalog: the catalog's name, for pyiceberg's own configuration and for those who read the table.
        conn_id: an Airflow connection with the catalog's properties: its extra as it is, the host as ``uri`` and
            ``login:password`` as ``credential``. None: pyiceberg's configuration file or environment has them.
    """

    name: str
    catalog: str = "default"
    conn_id: str | None = None
    format: ClassVar[str] = "iceberg"
    publisher: ClassVar[str] = "airflow_batchscore.publish.targets.iceberg:IcebergTarget"

    @property
    def catalog_conn_id(self) -> str | None:
        return self.conn_id

    def __post_init__(self) -> None:
        if not all(self.name.split(".")) or "." not in self.name:
            raise OutputError(f"Iceberg({self.name!r}): name the namespace and the table, such as 'tennis.scores'")

    def look(self, location: Location, version: str, by: PartitionBy) -> Snapshot:
        from airflow_batchscore.data.tables.iceberg_snapshot import look

        return look(self, location, version, by)


def catalog_name(conn_id: str) -> str:
    """See `Table.registered_as`."""
    return f"{CATALOG}{conn_id}"


def require_table(given: object) -> Table:
    """What was given, if it is a table. Raises InputError."""
    if not isinstance(given, Table):
        raise InputError(f"table={given!r}: give Delta() or Iceberg('namespace.table', catalog='...')")
    return given


def table_from(value: Mapping[str, str | None] | None) -> Table | None:
    """The inverse of `Table.to_dict`; None also for a kind of another package."""
    kinds: dict[str | None, type[Table]] = {kind.format: kind for kind in (Delta, Iceberg)}
    fields = dict(value or {})
    kind = kinds.get(fields.pop("format", None))
    return kind(**fields) if kind else None
