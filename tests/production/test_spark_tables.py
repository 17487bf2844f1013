"""Models inside Spark: a column of a query, and a whole table, on a cluster whose environment has no Airflow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct, udf
from servers import SparkServers
from support import Small, good_rows, scores, small

from airflow_batchscore.engine.spark import predict_udf, score_table
from airflow_batchscore.errors import GateError, InputError, ModelError, ScoringError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.production

ROWS = 900


@pytest.fixture(scope="module")
def session(spark: SparkServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    os.environ["PYSPARK_PYTHON"] = spark.python
    warehouse = {"spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    # Small Arrow batches, so that groups are put together and cut across them.
    arrow = {"spark.sql.execution.arrow.maxRecordsPerBatch": "70", "spark.sql.shuffle.partitions": "2"}
    builder = SparkSession.builder.master(spark.master).config(map={**spark.config, **warehouse, **arrow})
    running = builder.getOrCreate()
    yield running
    running.stop()


@pytest.fixture
def model(tmp_path: Path) -> Small:
    """With a recipe that leaves out rows without `b`."""
    made = small(tmp_path, features="spark_features:present")
    made.add(1, [(row[0], row[1], "" if row[0] % 50 == 0 else row[2], row[3]) for row in good_rows(ROWS, 1000)])
    return made


@pytest.fixture
def rows(session: SparkSession, model: Small) -> Any:
    """Partition 1 as a Spark frame of several partitions."""
    frame = pd.read_csv(model.folder / "part_1.csv")
    return session.createDataFrame(frame).repartition(3)


def _with_a_picky_model(model: Small) -> str:
    """One that refuses rows whose `a` is 13."""
    job = TrainingJob(model.dataset, [0], model.recipe, "strange_models:Picky", f"{model.folder}/picky")
    return train(job).ref.uri


def test_a_column_holds_what_a_scoring_task_gives_and_null_where_the_recipe_left_a_row_out(
    rows: Any, model: Small
) -> None:
    found = rows.withColumn("p", predict_udf(model.model.uri, group_rows=100)(struct("a", "b"))).toPandas()
    ((manifest, _),) = model.score(1)
    expected = scores(manifest).set_index("id")["prediction"]
    found = found.set_index("id").sort_index()["p"]
    assert len(found) == ROWS
    assert found[found.notna()].astype("int64").equals(expected.rename("p"))
    assert sorted(found.index[found.isna()]) == [number for number in range(1000, 1000 + ROWS) if number % 50 == 0]


def test_several_outputs_are_a_struct_and_one_of_them_a_column(rows: Any, model: Small) -> None:
    both = predict_udf(model.model.uri, method="predict_proba")(struct("a", "b"))
    one = predict_udf(model.model.uri, method="predict_proba", outputs=["prediction_1"])(struct("a", "b"))
    found = rows.select("id", both.alias("p"), one.alias("one")).select("id", "p.*", "one").toPandas()
    ((manifest, _),) = model.score(1, method="predict_proba")
    found = found.dropna().sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(found[["id", "prediction_0", "prediction_1"]], scores(manifest))
    assert found["one"].equals(found["prediction_1"].rename("one"))


def test_a_row_that_cannot_be_scored_fails_the_query_with_its_values(
    session: SparkSession, rows: Any, model: Small
) -> None:
    predict = predict_udf(_with_a_picky_model(model))
    bad = session.createDataFrame([(1, 13.0, 2.0)], ["id", "a", "b"])
    with pytest.raises(Exception, match=r"thirteen is not a number that I like; its values: .*13.0.*score_table"):
        bad.select(predict(struct("a", "b"))).collect()


def test_what_the_model_does_not_have_is_refused_before_the_query(model: Small) -> None:
    with pytest.raises(ModelError, match="has no 'transform'; it has predict"):
        predict_udf(model.model.uri, method="transform")
    with pytest.raises(ModelError, match="prediction_7"):
        predict_udf(model.model.uri, method="predict_proba", outputs=["prediction_7"])


def test_a_model_that_was_altered_after_the_pin_is_not_loaded(rows: Any, model: Small) -> None:
    predict = predict_udf(model.model.uri)
    (file,) = Path(model.model.uri).glob("model-*.joblib")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(Exception, match=r"was altered or damaged and was not loaded"):
        rows.select(predict(struct("a", "b"))).collect()


def test_a_table_is_scored_with_an_account(session: SparkSession, rows: Any, model: Small, tmp_path: Path) -> None:
    rows.write.mode("overwrite").saveAsTable("matches")
    manifest_uri = str(tmp_path / "manifest.json")
    done = score_table(
        session, "matches", "predictions", model=model.model.uri, group_rows=100, manifest_uri=manifest_uri
    )
    assert done.account == Account(ROWS, ROWS - 18, 18, 0)
    assert done.schema == {"id": "bigint", "prediction": "bigint"}
    ((manifest, _),) = model.score(1)
    found = session.table("predictions").toPandas().sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(found, scores(manifest))
    written = json.loads(Path(manifest_uri).read_text())
    assert written["model"]["digest"] == model.model.digest
    assert written["account"]["rows_skipped"] == 18
    assert [table.name for table in session.catalog.listTables()] == ["matches", "predictions"]


def test_rows_that_cannot_be_scored_are_set_apart_and_hold_the_output_back(
    session: SparkSession, rows: Any, model: Small
) -> None:
    picky = _with_a_picky_model(model)
    bad = rows.selectExpr("id", "CASE WHEN id % 300 = 1 THEN 13.0 ELSE a END AS a", "b")
    session.sql("DROP TABLE IF EXISTS picked")
    with pytest.raises(GateError, match=r"3 of 900 rows are in quarantine, more than max_quarantined=0 allows"):
        score_table(session, bad, "picked", model=picky)
    assert not session.catalog.tableExists("picked")
    assert session.table("picked_quarantine").count() == 3

    done = score_table(session, bad, "picked", model=picky, max_quarantined=3)
    assert done.account == Account(ROWS, ROWS - 18 - 3, 18, 3)
    assert done.quarantine_table == "picked_quarantine"
    kept = session.table("picked_quarantine").toPandas()
    assert {json.loads(raw)["id"] for raw in kept["batchscore_raw"]} == {"1201", "1501", "1801"}
    assert set(kept["batchscore_message"]) == {"thirteen is not a number that I like"}
    ids = {row.id for row in session.table("picked").select("id").collect()}
    assert not ids & {1201, 1501, 1801}


def test_a_table_that_lacks_a_column_or_changes_meanwhile_is_refused(
    session: SparkSession, rows: Any, model: Small
) -> None:
    with pytest.raises(InputError, match=r"lacks \['b'\], which the model needs"):
        score_table(session, rows.drop("b"), "nothing", model=model.model.uri)
    unsteady = rows.where(udf(lambda: os.urandom(1) < b"\x80", "boolean").asNondeterministic()())
    with pytest.raises(ScoringError, match="gives other rows each time"):
        score_table(session, unsteady, "nothing", model=model.model.uri)
    assert not session.catalog.tableExists("nothing")
