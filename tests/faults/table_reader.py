"""What a reader finds in a table of the kill harness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import stage


def content(kind: str, folder: Path) -> list[tuple[Any, ...]]:
    """Of each partition: its number of rows, different ids and sum of predictions."""
    if kind == "delta":
        from deltalake import DeltaTable

        rows = DeltaTable(str(folder / "out")).to_pyarrow_table()
    else:
        rows = _catalog(folder).load_table("tennis.scores").scan().to_arrow()
    sums = [("id", "count"), ("id", "count_distinct"), ("prediction", "sum")]
    return sorted(tuple(one.values()) for one in rows.group_by("p").aggregate(sums).to_pylist())


def create_namespace(folder: Path) -> None:
    """Of the Iceberg table."""
    _catalog(folder).create_namespace("tennis")


def _catalog(folder: Path) -> Any:
    from pyiceberg.catalog import load_catalog

    return load_catalog("lake", **stage.catalog_of(folder))
