"""Delta and Iceberg tables of other programs, for tests to read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_batchscore import Delta, Iceberg, PartitionedDataset
from airflow_batchscore.data.storage import credentials

KINDS = ["delta", "iceberg"]
NAME = "shop.games"


def day(number: int) -> dt.date:
    return dt.date(2026, 4, number)


def games(number: int, rows: int = 10, offset: int = 0) -> pa.Table:
    """Rows of one day, with the features that the small model needs."""
    ids = [1000 * number + offset + n for n in range(rows)]
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "a": pa.array([(n % 17) / 4 for n in ids], pa.float64()),
            "b": pa.array([float(n % 7) for n in ids], pa.float64()),
            "day": pa.array([day(number)] * rows, pa.date32()),
        }
    )


@dataclass
class SourceTable:
    """A table of one kind, partitioned by `by`, which another program writes."""

    kind: str
    folder: Path
    by: Sequence[str]
    options: dict[str, str]

    @property
    def uri(self) -> str:
        return str(self.folder / "games")

    @property
    def table(self) -> Any:
        return Delta() if self.kind == "delta" else Iceberg(NAME, catalog="shop", conn_id="shop")

    def dataset(self, partition_by: Any = "day", **options: Any) -> PartitionedDataset:
        return PartitionedDataset(self.uri, table=self.table, partition_by=partition_by, **options)

    def catalog(self) -> Any:
        from pyiceberg.catalog import load_catalog

        return load_catalog("shop", **self.options)

    def opened(self) -> Any:
        from deltalake import DeltaTable

        return DeltaTable(self.uri) if self.kind == "delta" else self.catalog().load_table(NAME)

    def create(self, schema: pa.Schema) -> Any:
        table = self.catalog().create_table(NAME, schema, location=f"file://{self.uri}")
        with table.update_spec() as spec:
            for name in self.by:
                spec.add_identity(name)
        return table

    def append(self, rows: pa.Table, **options: Any) -> None:
        from deltalake import write_deltalake

        if self.kind == "delta":
            write_deltalake(self.uri, rows, mode="append", partition_by=list(self.by) or None, **options)
        else:
            catalog = self.catalog()
            table = catalog.load_table(NAME) if catalog.table_exists(NAME) else self.create(rows.schema)
            table.append(rows)

    def replace_day(self, number: int, rows: pa.Table) -> None:
        from deltalake import write_deltalake

        if self.kind == "delta":
            write_deltalake(self.uri, rows, mode="overwrite", predicate=f"day = '{day(number)}'")
        else:
            self.opened().overwrite(rows, overwrite_filter=f"day == '{day(number)}'")

    @property
    def version(self) -> str:
        opened = self.opened()
        return str(opened.version() if self.kind == "delta" else opened.current_snapshot().snapshot_id)

    def files(self, number: int) -> list[Path]:
        """The data files of a day."""
        return sorted(Path(self.uri).rglob(f"day={day(number)}/*.parquet"))


@contextmanager
def source_table(kind: str, folder: Path, *by: str) -> Iterator[SourceTable]:
    """A table that does not exist yet; its Iceberg catalog is SQLite."""
    pytest.importorskip("deltalake" if kind == "delta" else "pyiceberg")
    folder.mkdir(parents=True, exist_ok=True)
    options = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    made = SourceTable(kind, folder, by, options)
    if kind == "iceberg":
        credentials.register("catalog shop", options)
        made.catalog().create_namespace("shop")
    try:
        yield made
    finally:
        credentials.forget("catalog shop")
