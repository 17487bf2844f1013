"""One DAG file on a real scheduler, on every engine: the predictions, their keys and their order are the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from runs import explain, succeed
from servers import DaskServers, SparkServers
from stack import Stack
from support import copy_dags, good_rows, newest_summary, write_csv

pytestmark = [pytest.mark.production, pytest.mark.timeout(600)]

ENGINES = ["on_local_dask", "on_dask_cluster", "on_spark"]


@pytest.fixture
def stack(dask: DaskServers, spark: SparkServers, tmp_path: Path) -> Iterator[Stack]:
    scheduler = dask.address.removeprefix("tcp://").split(":")
    extra = {
        "AIRFLOW_CONN_TEST_DASK": json.dumps({"conn_type": "dask", "host": scheduler[0], "port": int(scheduler[1])}),
        "AIRFLOW_CONN_TEST_SPARK": json.dumps({"conn_type": "spark", "host": spark.master}),
        "TEST_SPARK_CONFIG": json.dumps(spark.config),
    }
    with Stack(tmp_path / "home", copy_dags(tmp_path / "dags"), extra=extra) as running:
        yield running


def test_predictions_are_the_same_on_every_engine(stack: Stack, tmp_path: Path) -> None:
    found = {}
    for dag_id in ENGINES:
        folder = tmp_path / dag_id
        folder.mkdir()
        write_csv(folder / "part_0.csv", good_rows(200))
        for number in (1, 2):
            # One row that the recipe leaves out, and one that is quarantined.
            rows = [*good_rows(700, 1000 * number), (1000 * number + 700, 1, "", 0), (1000 * number + 701, "x", 1, 0)]
            write_csv(folder / f"part_{number}.csv", rows)
        run_id = succeed(stack, dag_id, {"partitions": [1, 2], "max_quarantined": 2}, folder)
        summary = newest_summary(folder)
        assert summary["totals"]["rows_quarantined"] == 2, explain(stack, dag_id, run_id)
        manifests = [json.loads(path.read_text()) for path in folder.glob("staged/*/*/manifests/*.json")]
        assert {manifest["engine"]["engine"] for manifest in manifests} == {
            {"on_local_dask": "LocalDask", "on_dask_cluster": "DaskCluster", "on_spark": "Spark"}[dag_id]
        }
        found[dag_id] = pd.read_parquet(folder / "out.parquet")
    local, dask, spark = (found[dag_id] for dag_id in ENGINES)
    assert local["id"].tolist() == [*range(1000, 1700), *range(2000, 2700)]
    pd.testing.assert_frame_equal(dask, local, check_exact=True)
    pd.testing.assert_frame_equal(spark, local, check_exact=True)
