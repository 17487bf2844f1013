"""The lines of code that a report gives are run as they stand, and read every published row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lakes import lake
from publications import publish
from support import good_rows, small

from airflow_batchscore import Delta, Iceberg
from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.read_with import read_with
from airflow_batchscore.publish.targets import target_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "o'u\"t/scores"])
@pytest.mark.parametrize(("library", "module", "alias"), [
    ("pandas", "pandas", "pd"),
    ("Polars", "polars", "pl"),
    ("DuckDB", "duckdb", "duckdb"),
])  # fmt: skip
def test_a_line_reads_every_row(tmp_path: Path, name: str, library: str, module: str, alias: str) -> None:
    imported: Any = pytest.importorskip(module)
    data = small(tmp_path)
    for partition in (1, 2):
        data.add(partition, good_rows(10, 10 * partition))
    manifests = [manifest for manifest, _ in data.score(1, 2)]
    output = tmp_path / name
    output.parent.mkdir(exist_ok=True)
    for generation in (1, 2):  # what is replaced is not read, too
        published = publish(manifests, output, generation, replace_all=False)
    lines = {line.name: line.code for line in read_with(published.target, ["p"])}
    found = eval(lines[library], {alias: imported})  # noqa: S307 - our own line
    frame = found if library == "pandas" else found.to_pandas() if library == "Polars" else found.df()
    assert sorted(frame["id"].astype(int)) == [*range(10, 30)]
    assert set(frame["p"].astype(int)) == {1, 2}


def test_places_in_a_store_have_the_names_that_each_library_knows() -> None:
    lines = {line.name: line.code for line in read_with(target_of(Location("s3://b/out/")), ["day", "shop"])}
    assert lines == {
        "pandas": 'pd.read_parquet("s3://b/out")',
        "Polars": 'pl.read_parquet("s3://b/out/day=*/shop=*/*.parquet", hive_partitioning=True)',
        "DuckDB": "duckdb.sql(\"SELECT * FROM read_parquet('s3://b/out/day=*/shop=*/*.parquet', "
        'hive_partitioning=true)")',
        "Spark": 'spark.read.parquet("s3a://b/out")',
    }
    (csv,) = (line.code for line in read_with(target_of(Location("/x.csv")), ["p"]) if line.name == "Spark")
    assert csv == 'spark.read.csv("/x.csv", header=True, inferSchema=True)'


@pytest.mark.parametrize(("kind", "library"), [
    ("delta", "deltalake"),
    ("delta", "Polars"),
    ("iceberg", "pyiceberg"),
    ("iceberg", "Polars"),
])  # fmt: skip
def test_a_line_reads_every_row_of_a_table(
    tmp_path: Path, kind: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    data = small(tmp_path)
    data.add(1, good_rows(10))
    with lake(kind, tmp_path / "lake") as there:
        import deltalake
        import polars as pl

        published = publish([manifest for manifest, _ in data.score(1)], there.output, table=there.table)
        lines = {line.name: line.code for line in read_with(published.target, ["p"])}
        # Who reads it has configured the catalog.
        names = {"pl": pl, "DeltaTable": deltalake.DeltaTable, "load_catalog": {"lake": there.catalog()}.__getitem__}
        assert len(eval(lines[library], names)) == 10  # noqa: S307 - our own line


def test_a_table_in_a_store_has_the_names_that_each_library_knows() -> None:
    pytest.importorskip("deltalake")
    pytest.importorskip("pyiceberg")
    delta = {line.name: line.code for line in read_with(target_of(Location("s3://b/t/"), Delta()), ["p"])}
    assert delta["DuckDB"] == "duckdb.sql(\"SELECT * FROM delta_scan('s3://b/t')\")"
    assert delta["Spark"] == 'spark.read.format("delta").load("s3a://b/t")'
    table = Iceberg("tennis.scores", catalog="lake")
    (spark,) = (one.code for one in read_with(target_of(Location("s3://b/t"), table), ["p"]) if one.name == "Spark")
    assert spark == 'spark.table("lake.tennis.scores")'
