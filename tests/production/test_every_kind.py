"""Functions, groups and a model for each value of a column, on clusters whose environment has no Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from servers import DaskServers, SparkServers
from support import scores, write_csv

from airflow_batchscore import DaskCluster, LocalDask, ModelPolicy, PartitionedDataset, Recipe, Spark
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.name_template import models_of
from airflow_batchscore.plan.choose import choose
from airflow_batchscore.plan.models import ModelByColumn
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainingJob
from airflow_batchscore.training.train_many import train_many

pytestmark = [pytest.mark.production, pytest.mark.timeout(300)]

ROWS = 3000


@pytest.fixture
def dataset(tmp_path: Path) -> PartitionedDataset:
    rows = [(n, n % 5, n % 11, (n % 5 + 1) * (n % 11)) for n in range(ROWS)]
    write_csv(tmp_path / "part_1.csv", rows, header=("id", "sensor_id", "x", "y"))
    return PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")


def _jobs(dataset: PartitionedDataset, folder: str, output: str) -> dict[str, ScoringJob]:
    template = f"{folder}/by/{{sensor_id}}"
    recipe = Recipe(target="y", keys=["id"], columns=["x"])
    job = TrainingJob(dataset, [1], recipe, "sklearn.linear_model:LinearRegression", template)
    train_many(job, lambda function, some: (function(*one) for one in some), alias="champion")
    models = ModelByColumn("sensor_id", choose(models_of(f"{template}@champion"), ModelPolicy()))
    common: dict[str, Any] = {"dataset": dataset, "output_uri": f"{folder}/{output}", "block_rows": 400}
    return {
        "rows": ScoringJob(**common, keys=("id",), scored_with=FunctionJob(FunctionRef.of("engine_work:half"))),
        "groups": ScoringJob(**common, scored_with=FunctionJob(FunctionRef.of("engine_work:totals"), ("sensor_id",))),
        "models": ScoringJob(**common, scored_with=models),
    }


@pytest.mark.parametrize("where", ["dask", "spark"])
def test_every_kind_of_work_gives_the_same_on_a_cluster(
    dataset: PartitionedDataset, tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    servers = request.getfixturevalue(where)
    engine: Any
    if isinstance(servers, DaskServers):
        engine = DaskCluster(address=servers.address)
    else:
        assert isinstance(servers, SparkServers)
        engine = Spark(master=servers.master, config=servers.config)
    there = _jobs(dataset, str(tmp_path), "there")
    here = _jobs(dataset, str(tmp_path), "here")
    for kind, job in there.items():
        ((found, _),) = score_partitions(job, [{"p": "1"}], engine)
        ((expected, _),) = score_partitions(here[kind], [{"p": "1"}], LocalDask(workers=2))
        assert len(found.blocks) > 5
        assert found.account == expected.account
        pd.testing.assert_frame_equal(scores(found), scores(expected))
    assert scores(found)["prediction"].round(6).tolist() == [(n % 5 + 1) * (n % 11) for n in range(ROWS)]
