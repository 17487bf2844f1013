"""Publish: committed parts become one file, or a hive-partitioned folder in which partitions are replaced one by one.

A reader sees a partition's old file or its new one. In a folder each partition is one file with a fixed name, so that
replacing it is one atomic step, and a partition whose scores have not changed is not touched.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data import storage
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

_FOOTER_KEY = b"batchscore"
#: The file of a partition in a published folder.
PARTITION_FILE = "scores.parquet"


def combine(manifests: Sequence[Manifest], output_uri: str, conn_id: str | None = None) -> dict[str, Any]:
    """Publish the scores of `manifests`, in the order given.

    Args:
        manifests: read from storage, each with the connection it was read with.
        conn_id: connection of `output_uri`.

    Returns:
        ``{"output": uri, "rows": n, "partitions": n, "unchanged": [keys that were published before]}``.

    Raises:
        GateError: a part does not hold the rows its manifest says.
        OutputError: partitions have different columns, or the output cannot be written.
    """
    if not manifests:
        raise GateError("there is no scored partition to publish")
    _same_schema(manifests)
    if output_uri.endswith((".parquet", ".csv")):
        unchanged = _write_file(manifests, output_uri, conn_id)
    else:
        unchanged = _write_folder(manifests, output_uri, conn_id)
    return {
        "output": output_uri,
        "partitions": len(manifests),
        "rows": sum(manifest.rows for manifest in manifests),
        "unchanged": unchanged,
    }


def _same_schema(manifests: Sequence[Manifest]) -> None:
    first = manifests[0]
    for manifest in manifests:
        if manifest.schema != first.schema:
            raise OutputError(
                f"partition {manifest.key} has the columns {manifest.schema}, partition {first.key} has "
                f"{first.schema}; partitions of one output must have the same"
            )


def _stamp(manifests: Sequence[Manifest]) -> str:
    """What a published Parquet file says of where it comes from; the same stamp means the same scores."""
    return json.dumps(
        [
            {
                "partition": manifest.partition,
                "identity": manifest.identity,
                "token": manifest.token,
                "model": manifest.model["version"] if manifest.model else manifest.method,
                **manifest.account.to_dict(),
            }
            for manifest in manifests
        ]
    )


def _is_published(uri: str, stamp: str, conn_id: str | None) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fs, path = storage.filesystem(uri, conn_id)
    try:
        with fs.open_input_file(path) as source:
            metadata = pq.read_metadata(source).metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return False
    return metadata.get(_FOOTER_KEY) == stamp.encode()


def _write_file(manifests: Sequence[Manifest], uri: str, conn_id: str | None) -> list[str]:
    """All partitions in one file, with a column a partition field in front."""
    import pyarrow as pa

    fields = _field_types(manifests)
    clash = sorted(set(fields) & set(manifests[0].schema))
    if clash:
        raise OutputError(
            f"the partition fields {clash} are columns of the scores too; publish to a folder, or rename them"
        )
    stamp = _stamp(manifests)
    if uri.endswith(".parquet") and _is_published(uri, stamp, conn_id):
        log.info("%s holds these scores already: left as it is", uri)
        return [manifest.key for manifest in manifests]

    def tables() -> Iterator[pa.Table]:
        for manifest in manifests:
            for table in _parts(manifest):
                for place, (name, kind) in enumerate(fields.items()):
                    value = pa.scalar(manifest.partition[name]).cast(kind)
                    table = table.add_column(place, pa.field(name, kind), pa.repeat(value, table.num_rows))
                yield table

    with storage.atomic_file(uri, conn_id) as path:
        _write(path, tables(), stamp, as_csv=uri.endswith(".csv"))
    return []


def _write_folder(manifests: Sequence[Manifest], folder: str, conn_id: str | None) -> list[str]:
    """One file a partition below ``<field>=<value>/``; all are written before the first takes its place."""
    unchanged = []
    with ExitStack() as files:
        for manifest in manifests:
            uri, stamp = storage.join(folder, manifest.key, PARTITION_FILE), _stamp([manifest])
            if _is_published(uri, stamp, conn_id):
                unchanged.append(manifest.key)
            else:
                path = files.enter_context(storage.atomic_file(uri, conn_id))
                _write(path, _parts(manifest), stamp, as_csv=False)
    if unchanged:
        log.info(
            "%d of %d partitions in %s hold these scores already: left as they are",
            len(unchanged),
            len(manifests),
            folder,
        )
    return unchanged


def _parts(manifest: Manifest) -> Iterator[pa.Table]:
    """The scores of a partition in the order of its rows, one part at a time, each held to its manifest."""
    import pyarrow.parquet as pq

    for block in manifest.blocks:
        uri = storage.join(manifest.folder, block.part)
        fs, path = storage.filesystem(uri, manifest.conn_id)
        with fs.open_input_file(path) as source:
            table = pq.read_table(source)
        found = {field.name: str(field.type) for field in table.schema}
        if found != manifest.schema:
            raise OutputError(
                f"partition {manifest.key}: {uri} has the columns {found}, the partition's first part has "
                f"{manifest.schema}. The types of the key columns differ between its files; make them the same"
            )
        if table.num_rows != block.rows:
            raise GateError(
                f"partition {manifest.key}: {uri} holds {table.num_rows} rows, its manifest says {block.rows}; score "
                "the partition again with force"
            )
        yield table.replace_schema_metadata(None)


def _write(path: Path, tables: Iterator[pa.Table], stamp: str, *, as_csv: bool) -> None:
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    writer: Any = None
    try:
        for table in tables:
            if writer is None:
                writer = pc.CSVWriter(path, table.schema) if as_csv else pq.ParquetWriter(path, table.schema)
            if table.num_rows:
                writer.write_table(table)
        if not as_csv:
            writer.add_key_value_metadata({_FOOTER_KEY: stamp.encode()})
    finally:
        if writer is not None:
            writer.close()


def _field_types(manifests: Sequence[Manifest]) -> dict[str, pa.DataType]:
    """int64 for a field whose values are all whole numbers without leading zeros, text otherwise."""
    import pyarrow as pa

    def kind(name: str) -> pa.DataType:
        values = {manifest.partition[name] for manifest in manifests}
        numbers = all(value.isascii() and value.isdigit() and str(int(value)) == value for value in values)
        return pa.int64() if numbers else pa.string()

    return {name: kind(name) for name in manifests[0].partition}
