"""Features made on a Spark cluster, written to S3 as Parquet, and trained on from there."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hazard_recipe
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hazard_features import FEATURES, LETTERS, SparkFeatures, fit, write
from s3_server import s3_options
from servers import SparkServers
from support import EXAMPLES, ROOT

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.production


@pytest.fixture
def session(spark: SparkServers, moto: str) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = spark.python
    identity = {
        "AWS_ACCESS_KEY_ID": "test-key",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_ENDPOINT_URL": moto,
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": f"{ROOT}/tests:{ROOT}/dags",
    }
    config = spark.config | {f"spark.executorEnv.{name}": value for name, value in identity.items()}
    builder = SparkSession.builder.master(spark.master).config(map=config)
    running = builder.getOrCreate()
    yield running
    running.stop()


def test_features_of_spark_are_those_that_a_model_is_trained_on(session: Any, moto: str, tmp_path: Path) -> None:
    credentials.register("features", s3_options(moto))
    data = hazard_recipe.synthetic(4000)
    data.loc[3999, "T1_V4"] = "Z"  # a letter that the training rows do not have
    data.to_csv(tmp_path / "properties.csv", index=False)
    raw = session.read.csv(str(tmp_path / "properties.csv"), header=True, inferSchema=True).repartition(3)
    made = fit(raw.where("Id <= 3000"))
    made.save("s3://tennis/models/features.json", "features")
    assert SparkFeatures.load("s3://tennis/models/features.json", "features") == made
    assert write(made, raw, "s3://tennis/features") == 4000

    dataset = PartitionedDataset("s3://tennis/features/part={part}/*.parquet", conn_id="features")
    recipe = Recipe(target="Hazard", keys=["Id"], columns=FEATURES)
    where = {"model_uri": "s3://tennis/models/hazard", "conn_id": "features"}
    trained = train(TrainingJob(dataset, None, recipe, "xgboost:XGBRegressor", metrics=["rmse"], **where))
    assert trained.manifest.training.rows_trained == 4000
    assert trained.manifest.flavor == "xgboost"

    fs = storage.filesystem(Location("s3://tennis", "features"))[0]
    parts = [f"tennis/features/part={number}/features.parquet" for number in range(3)]
    found = pd.concat(pq.read_table(part, filesystem=fs).to_pandas() for part in parts)
    found = found.sort_values("Id").reset_index(drop=True)
    seen = data[data["Id"] <= 3000]
    for name in FEATURES:
        if name in LETTERS:
            assert set(made.labels[name]) == set(seen[name])
            order = {letter: place for place, letter in enumerate(made.labels[name])}
            expected = data[name].map(lambda letter, order=order: order.get(letter, len(order)))
            counts = seen[name].value_counts()
            assert [counts[letter] for letter in made.labels[name]] == sorted(counts, reverse=True)
        else:
            expected = data[name]
        assert found[name].tolist() == expected.astype(float).tolist(), name
    assert found["T1_V4"].iloc[3999] == len(made.labels["T1_V4"])


def test_the_example_scores_what_spark_made_and_makes_it_once(airflow_dags: dict[str, Any]) -> None:
    dag = airflow_dags["hazard_spark"]
    assert str(copy.deepcopy(dag).test().state) == "success"
    place = EXAMPLES / "hazard_spark"
    found = pd.read_parquet(place / "predictions.parquet")
    assert sorted(found["Id"]) == list(range(1, 50_001))
    actual = hazard_recipe.synthetic(50_000).set_index("Id")["Hazard"].loc[found["Id"]]
    held_out = (found["part"] >= 8).to_numpy()
    error = ((found["hazard"].to_numpy() - actual.to_numpy()) ** 2)[held_out].mean() ** 0.5
    summary = json.loads((place / "summary.json").read_text())
    assert summary["model"]["metrics"]["rmse"] == pytest.approx(error)
    assert error < actual.std()

    assert str(copy.deepcopy(dag).test().state) == "success"
    assert json.loads((place / "summary.json").read_text())["totals"]["reused"] == 10
