"""Lines of code that read what a run published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_batchscore.data.storage import real
from airflow_batchscore.data.tables.kinds import Delta, Iceberg, Table
from airflow_batchscore.publish.targets.base import PublishTarget
from airflow_batchscore.publish.targets.csv_file import CsvTarget
from airflow_batchscore.publish.targets.folder import FolderTarget
from airflow_batchscore.publish.targets.parquet_file import ParquetTarget


@dataclass(frozen=True)
class ReadWith:
    """A line that reads an output.

    Attributes:
        name: of the library.
        code: in Python; `pd`, `pl`, `duckdb` and `spark` are what people call these.
    """

    name: str
    code: str


def read_with(target: PublishTarget, fields: Sequence[str]) -> list[ReadWith]:
    """A line per library; none for an output of another package.

    Args:
        fields: of the partitions, in order.
    """
    if target.table is not None:
        return _of_table(target.table, real(target.location.uri))
    uri = target.location.uri.rstrip("/")
    text, spark = json.dumps(uri, ensure_ascii=False), json.dumps(_for_spark(uri), ensure_ascii=False)
    if isinstance(target, ParquetTarget):
        codes = [f"pd.read_parquet({text})", f"pl.read_parquet({text})", _sql(uri), f"spark.read.parquet({spark})"]
    elif isinstance(target, CsvTarget):
        polars, read = f"pl.read_csv({text})", f"spark.read.csv({spark}, header=True, inferSchema=True)"
        codes = [f"pd.read_csv({text})", polars, _sql(uri), read]
    elif isinstance(target, FolderTarget):
        # Not all files below the folder: what stands beside the partitions is not data.
        files = "/".join([uri, *(f"{field}=*" for field in fields), "*.parquet"])
        polars = f"pl.read_parquet({json.dumps(files, ensure_ascii=False)}, hive_partitioning=True)"
        codes = [
            f"pd.read_parquet({text})",
            polars,
            _sql(files, "hive_partitioning=true"),
            f"spark.read.parquet({spark})",
        ]
    else:
        return []
    return [ReadWith(name, code) for name, code in zip(("pandas", "Polars", "DuckDB", "Spark"), codes, strict=True)]


def _of_table(table: Table, uri: str) -> list[ReadWith]:
    """A line per library; none for a kind of table of another package."""
    if isinstance(table, Delta):
        text, spark = json.dumps(uri, ensure_ascii=False), json.dumps(_for_spark(uri), ensure_ascii=False)
        return [
            ReadWith("deltalake", f"DeltaTable({text}).to_pandas()"),
            ReadWith("Polars", f"pl.read_delta({text})"),
            ReadWith("DuckDB", _sql(uri, function="delta_scan")),
            ReadWith("Spark", f'spark.read.format("delta").load({spark})'),
        ]
    if isinstance(table, Iceberg):
        found = f"load_catalog({json.dumps(table.catalog)}).load_table({json.dumps(table.name)})"
        name = json.dumps(f"{table.catalog}.{table.name}")
        return [
            ReadWith("pyiceberg", f"{found}.scan().to_pandas()"),
            ReadWith("Polars", f"pl.scan_iceberg({found}).collect()"),
            ReadWith("Spark", f"spark.table({name})"),
        ]
    return []


def _sql(files: str, *options: str, function: str = "") -> str:
    quoted = "'" + files.replace("'", "''") + "'"
    function = function or ("read_parquet" if options else "")
    source = f"{function}({', '.join([quoted, *options])})" if function else quoted
    query = f"SELECT * FROM {source}"  # noqa: S608 - for people, and quoted
    return f"duckdb.sql({json.dumps(query, ensure_ascii=False)})"


def _for_spark(uri: str) -> str:
    """Hadoop's name for the scheme of S3."""
    return f"s3a://{uri.removeprefix('s3://')}" if uri.startswith("s3://") else uri
