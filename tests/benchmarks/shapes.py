"""What other shapes of data and of outputs cost, beside a file for each partition and one file, taking turns.

    PYTHONPATH=. python tests/benchmarks/shapes.py --rows 4000000 --rounds 5

Scoring the same rows as ten partitions, in one task of two threads: `files`: a file each; `one file`: divided by
``user % 10``; `delta`, `iceberg`: a table that is partitioned by that number. All Parquet; `one csv` beside `csv files`.
Publishing these scores: `file`: one Parquet file; `folder`; `delta`, `iceberg`: a new table.
Prints medians of seconds, and of their ratios to the first way of each group in each round.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import airflow_batchscore
from airflow_batchscore import Delta, Iceberg, LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.api.score import ScoredRun, combine, score
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.training.train import TrainingJob, train

BUCKETS, FEATURES = 10, 8
TRAIN_ROWS = 20_000
CSV = {"column_types": {"user": "int64"}}


def make_data(folder: Path, rows: int) -> Mapping[str, PartitionedDataset]:
    """The same rows in each shape."""
    import deltalake
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq
    from pyiceberg.catalog import load_catalog

    chance = np.random.default_rng(0)
    columns = {f"f{n}": chance.normal(size=rows).round(6) for n in range(FEATURES)}
    table = pa.table({"user": chance.integers(0, 10**7, rows), **columns})
    bucket = table["user"].to_numpy() % BUCKETS
    (folder / "train").mkdir()
    label = pa.array((columns["f0"] > columns["f1"]).astype(int))
    pq.write_table(table.append_column("label", label).slice(0, TRAIN_ROWS), folder / "train" / "part_0.parquet")
    pq.write_table(table, folder / "all.parquet", row_group_size=250_000)
    csv.write_csv(table, folder / "all.csv")
    for number in range(BUCKETS):
        part = table.filter(pa.array(bucket == number))
        pq.write_table(part, folder / f"part_{number}.parquet", row_group_size=250_000)
        csv.write_csv(part, folder / f"part_{number}.csv")
    told = table.append_column("bucket", pa.array(bucket.astype(np.int32)))
    deltalake.write_deltalake(str(folder / "delta"), told, partition_by=["bucket"])
    catalog = _catalog(folder)
    airflow_batchscore.register_connection("lake", catalog)
    lake = load_catalog("lake", **catalog)
    lake.create_namespace("shop")
    made = lake.create_table("shop.orders", schema=told.schema, location=f"file://{folder}/iceberg")
    with made.update_spec() as spec:
        spec.add_identity("bucket")
    made.append(told)
    iceberg = Iceberg("shop.orders", catalog="lake", conn_id="lake")
    return {
        "files": PartitionedDataset(f"{folder}/part_{{p}}.parquet"),
        "one file": PartitionedDataset(f"{folder}/all.parquet", partition_by=f"user % {BUCKETS}"),
        "delta": PartitionedDataset(f"{folder}/delta", table=Delta(), partition_by="bucket"),
        "iceberg": PartitionedDataset(f"{folder}/iceberg", table=iceberg, partition_by="bucket"),
        "csv files": PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options=CSV),
        "one csv": PartitionedDataset(f"{folder}/all.csv", partition_by=f"user % {BUCKETS}", read_options=CSV),
    }


def _catalog(folder: Path) -> dict[str, str]:
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}


def make_model(folder: Path) -> ModelRef:
    """Numbers as they are, and a logistic regression: the cheapest model shows most of the rest."""
    recipe = Recipe(target="label", keys=["user"], columns=[f"f{n}" for n in range(FEATURES)])
    dataset = PartitionedDataset(f"{folder}/train/part_{{p}}.parquet")
    return train(TrainingJob(dataset, [0], recipe, "sklearn.linear_model:LogisticRegression", f"{folder}/model")).ref


def main() -> None:
    """Print a line per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="shapes-"))
    try:
        datasets, model = make_data(folder, asked.rows), make_model(folder)
        engine = LocalDask(workers=2, processes=False)

        def scored(name: str) -> ScoredRun:
            own = {"partitions": f"0..{BUCKETS - 1}"}
            return score(datasets[name], model.uri, **own, output_uri=f"{folder}/staged", engine=engine, force=True)

        def published(run: ScoredRun, name: str) -> None:
            table = {"delta": Delta(), "iceberg": Iceberg("shop.scores", catalog="lake", conn_id="lake")}.get(name)
            output = f"{folder}/out/{name}{'.parquet' if name == 'file' else ''}"
            combine(run, output, table=table, engine=engine)

        _turns(
            asked.rounds, {name: lambda name=name: scored(name) for name in ("files", "one file", "delta", "iceberg")}
        )
        _turns(asked.rounds, {name: lambda name=name: scored(name) for name in ("csv files", "one csv")})
        run = scored("files")
        ways = {name: lambda name=name: published(run, name) for name in ("file", "folder", "delta", "iceberg")}
        _turns(asked.rounds, ways, lambda: _forget(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _forget(folder: Path) -> None:
    """What was published."""
    from pyiceberg.catalog import load_catalog

    load_catalog("lake", **_catalog(folder)).drop_table("shop.scores")
    shutil.rmtree(folder / "out")


def _turns(rounds: int, ways: Mapping[str, Callable[[], Any]], between: Callable[[], None] = lambda: None) -> None:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):  # the first is not counted: imports, loading, the files' pages
        for way, run in ways.items():
            began = time.monotonic()
            run()
            if number:
                seconds[way].append(time.monotonic() - began)
        between()
    first = next(iter(ways))
    for way, some in seconds.items():
        ratios = [one / base for one, base in zip(some, seconds[first], strict=True)]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        print(
            f"{way:10} {statistics.median(some):6.2f} s  {statistics.median(ratios):5.2f} x {first} {spread}",
            flush=True,
        )
    print()


if __name__ == "__main__":
    main()
