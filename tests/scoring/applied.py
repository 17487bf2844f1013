"""Functions applied to the rows or the groups of a small partition, by an engine or block by block."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from support import NUMBERED

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data.blocks import cut
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.storage import Location
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.part import BlockJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.scoring.scorers.function import FunctionSpec
from airflow_batchscore.scoring.scorers.scorer import BatchRules

#: Rows of the fixture `frame`.
ROWS = 3000
NUMBERS = {"column_types": {"id": "int64", "site": "int64"}}


def apply(folder: Path, function: Any, *, suffix: str = "csv", **options: Any) -> Manifest:
    """Score ``part_1.<suffix>`` with a function; `options` are those of `FunctionJob` and `ScoringJob`."""
    names = ("group_by", "columns", "output_types", "row_wise")
    of_function = {name: options.pop(name) for name in names if name in options}
    engine = options.pop("engine", LocalDask(workers=2))
    read_options = options.pop("read_options", {} if suffix == "parquet" else NUMBERS)
    job = ScoringJob(
        PartitionedDataset(f"{folder}/part_{{p}}.{suffix}", read_options=read_options),
        FunctionJob(FunctionRef.of(function), **of_function),
        **{"output_uri": f"{folder}/staged", "keys": ("id",), "block_rows": 400, **options},
    )
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], engine)
    return manifest


def site_means(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(rows)], "mean": [rows["value"].mean()], "first": [rows["id"].iloc[0]]})


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["value"]] * 2


def less_the_mean(rows: pd.DataFrame) -> pd.DataFrame:
    """Needs the whole partition."""
    return pd.DataFrame({"x": rows["value"] - rows["value"].mean()})


#: The number of rows of each call of `doubled_without_zeros` since a `block_job` was made.
calls: list[int] = []


def doubled_without_zeros(rows: pd.DataFrame) -> pd.DataFrame:
    """Leaves out the rows whose `b` is 0."""
    calls.append(len(rows))
    return (rows[rows["b"] != 0][["a"]] * 2).rename(columns={"a": "x"})


def block_job(folder: Path, function: Any = doubled_without_zeros, **options: Any) -> BlockJob:
    calls.clear()
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options=NUMBERED)
    scorer = FunctionSpec(FunctionRef.of(function), "digest", (("x", "double"),))
    job = BlockJob(
        dataset=dataset,
        partition={"p": "1"},
        scorer=scorer,
        types={"a": "float64", "b": "float64"},
        key_types={"id": "int64"},
        rules=BatchRules(("id",), Limit(10), allow_nan=False),
        folder=Location(f"{folder}/staged"),
        prefix="t",
        inputs="bytes",
    )
    return replace(job, **options)


def job_blocks(job: BlockJob) -> list[Block]:
    return cut(job.dataset, job.dataset.pin(job.dataset.partition(job.partition)), block_rows=1000)
