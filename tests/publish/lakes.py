"""Delta and Iceberg tables that tests publish to, and how others read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_batchscore import Delta, Iceberg
from airflow_batchscore.data.storage import credentials

KINDS = ["delta", "iceberg"]


@dataclass
class Lake:
    """A table of one kind in `output`; the Iceberg catalog is SQLite."""

    kind: str
    output: str
    table: Any
    properties: Mapping[str, str]
    options: Mapping[str, str]

    def catalog(self) -> Any:
        from pyiceberg.catalog import load_catalog

        return load_catalog("lake", **self.properties)

    def opened(self, version: Any = None) -> Any:
        """As deltalake or pyiceberg opens it."""
        from deltalake import DeltaTable

        if self.kind == "delta":
            return DeltaTable(self.output, version=version, storage_options=dict(self.options))
        return self.catalog().load_table("tennis.scores")

    def arrow(self, version: Any = None) -> Any:
        """All rows, at a version of it."""
        if self.kind == "delta":
            return self.opened(version and int(version)).to_pyarrow_table()
        return self.opened().scan(snapshot_id=version and int(version)).to_arrow()

    def rows(self, version: Any = None) -> dict[Any, int]:
        """Number of rows of each partition."""
        frame: pd.DataFrame = self.arrow(version).to_pandas()
        return {p: len(rows) for p, rows in frame.groupby("p")}

    def files(self) -> dict[Any, list[str]]:
        """The data files of each partition."""
        found: dict[Any, list[str]] = {}
        if self.kind == "delta":
            import pyarrow as pa

            for one in pa.table(self.opened().get_add_actions()).to_pylist():
                found.setdefault(one["partition"]["p"], []).append(f"{self.output}/{one['path']}")
        else:
            for task in self.opened().scan().plan_files():
                found.setdefault(task.file.partition[0], []).append(task.file.file_path.removeprefix("file://"))
        return found

    def versions(self) -> int:
        return len(self.opened().history())

    def roll_back(self, version: str) -> None:
        if self.kind == "delta":
            self.opened().restore(int(version))
        else:
            self.opened().manage_snapshots().rollback_to_snapshot(int(version)).commit()

    def append(self, frame: Any) -> None:
        """Rows of another program."""
        from deltalake import write_deltalake

        if self.kind == "delta":
            write_deltalake(self.output, frame, mode="append", storage_options=dict(self.options))
        else:
            self.opened().append(frame)

    def create(self, schema: Any, *by: str) -> Any:
        """An empty table of another program, partitioned by columns."""
        from deltalake import DeltaTable

        if self.kind == "delta":
            return DeltaTable.create(self.output, schema, partition_by=list(by))
        table = self.catalog().create_table("tennis.scores", schema, location=f"file://{self.output}")
        with table.update_spec() as spec:
            for name in by:
                spec.add_identity(name)
        return table


@contextmanager
def lake(kind: str, folder: Path, output: str = "", **options: Any) -> Iterator[Lake]:
    """A table that does not exist yet. `options`: of the storage, as each library names them."""
    pytest.importorskip("deltalake")
    pytest.importorskip("pyiceberg")
    folder.mkdir(parents=True, exist_ok=True)
    catalog = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    table = Delta() if kind == "delta" else Iceberg("tennis.scores", catalog="lake", conn_id="lake")
    made = Lake(kind, output or str(folder / "scores"), table, {**catalog, **options.get("iceberg", {})}, options)
    made.options = options.get("delta", {})
    credentials.register("catalog lake", catalog)
    if kind == "iceberg":
        made.catalog().create_namespace("tennis")
    try:
        yield made
    finally:
        credentials.forget("catalog lake")
