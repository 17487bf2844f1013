"""Tables as outputs: `Delta` and `Iceberg`, which `CombineOperator(table=)` takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import OutputError

if TYPE_CHECKING:
    from airflow_batchscore.publish.targets.base import PublishTarget


@dataclass(frozen=True)
class Table(ABC):
    """A kind of table that an output's folder holds. A class that derives from it adds a kind.

    Attributes:
        format: its name in results and reports.
    """

    format: ClassVar[str]

    @property
    def catalog_conn_id(self) -> str | None:
        """The Airflow connection of its catalog; None for a table without one."""
        return None

    @property
    def registered_as(self) -> str:
        """The name under which `credentials` has that connection: it may be a storage's, too, with other options."""
        return f"catalog {self.catalog_conn_id}"

    @abstractmethod
    def target(self, location: Location) -> PublishTarget:
        """The table in that folder. Raises OutputError if it cannot be there; nothing is read or written yet."""

    def to_dict(self) -> JsonObject:
        """Plain JSON, without secrets."""
        return {"format": self.format, **asdict(self)}


@dataclass(frozen=True)
class Delta(Table):
    """A Delta table: the folder is all that names it."""

    format: ClassVar[str] = "delta"

    def target(self, location: Location) -> PublishTarget:
        from airflow_batchscore.publish.targets.delta import DeltaTarget

        return DeltaTarget(location, self)


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

    @property
    def catalog_conn_id(self) -> str | None:
        return self.conn_id

    def __post_init__(self) -> None:
        if not all(self.name.split(".")) or "." not in self.name:
            raise OutputError(f"Iceberg({self.name!r}): name the namespace and the table, such as 'tennis.scores'")

    def target(self, location: Location) -> PublishTarget:
        from airflow_batchscore.publish.targets.iceberg import IcebergTarget

        return IcebergTarget(location, self)


def table_from(value: Mapping[str, str | None] | None) -> Table | None:
    """The inverse of `Table.to_dict`; None also for a kind of another package."""
    kinds: dict[str | None, type[Table]] = {kind.format: kind for kind in (Delta, Iceberg)}
    fields = dict(value or {})
    kind = kinds.get(fields.pop("format", None))
    return kind(**fields) if kind else None
