"""Places are reached by what the environment has, by options given here, or by Airflow's connections."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from s3_server import s3_client, s3_options
from support import good_rows, small

from airflow_batchscore import (
    DaskCluster,
    Iceberg,
    LocalDask,
    PartitionedDataset,
    load,
    plan_run,
    register_connection,
    runs,
    score,
)
from airflow_batchscore.api.reach import absolute, usable, usable_dataset, usable_engine, usable_table
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.scored_inputs import read_scores
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.scoring.scored import ScoredTask

pytestmark = pytest.mark.unit


def test_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("part_{p}.csv") == f"{tmp_path}/part_{{p}}.csv"
    assert absolute("out.csv/") == f"{tmp_path}/out.csv/"
    assert absolute("~/x") == os.path.expanduser("~/x")
    assert absolute("s3://b/x") == "s3://b/x"
    assert usable(Location("x", "nobody")) == Location(f"{tmp_path}/x")
    assert usable_dataset("part_{p}.csv").uri == f"{tmp_path}/part_{{p}}.csv"


def test_engines() -> None:
    assert isinstance(usable_engine(None), LocalDask)
    with pytest.raises(InputError, match="does not exist"):
        usable_engine(DaskCluster(conn_id="nobody"))


def test_a_run_on_s3_with_options_that_were_given(tmp_path: Path, moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(30, 1000))
    client = s3_client(moto)
    client.upload_file(str(tmp_path / "part_1.csv"), "tennis", "part_1.csv")
    for path in Path(data.model.uri).iterdir():
        client.upload_file(str(path), "tennis", f"model/{data.model.version}/{path.name}")
    model = f"s3://tennis/model/{data.model.version}"
    register_connection("mine", s3_options(moto))
    try:
        frame = pd.read_csv(tmp_path / "part_1.csv")
        assert load(model, conn_id="mine").predict(frame).tolist() == data.plain(1)["prediction"].tolist()
        dataset = PartitionedDataset("s3://tennis/part_{p}.csv", conn_id="mine")
        run = score(
            dataset, model, output_uri="s3://tennis/staged", publish_to="s3://tennis/out.parquet", conn_id="mine"
        )
        assert run.frame()["prediction"].tolist() == data.plain(1)["prediction"].tolist()
        planned = plan_run(
            dataset, model, output_uri="s3://tennis/staged", publish_to="s3://tennis/out.parquet", conn_id="mine"
        )
        assert planned.counts == {"reuse": 1, "unchanged": 1, "kept": 0}
    finally:
        for name in ("mine", "catalog mine"):
            credentials.forget(name)

    # In Airflow, which reuses the scores, the connection has another name.
    connection = f"aws://test-key:test-secret@/?endpoint_url={quote(moto, safe='')}&region_name=us-east-1"
    monkeypatch.setenv("AIRFLOW_CONN_OF_AIRFLOW", connection)
    task = {"task": ["score"], **ScoredTask("p=1", run.scored, "of_airflow").to_dict()}
    _, state = read_scores([task], "of_airflow")
    assert [manifest.model and manifest.model.conn_id for manifest in state.manifests] == ["of_airflow"]
    assert not audit([{"p": "1"}], state.manifests, Limits(max_drift=100)).problems
    credentials.forget("of_airflow")


def test_a_connection_where_there_is_no_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it is not installed: Python finds no such module."""
    monkeypatch.setitem(sys.modules, "airflow", None)
    with pytest.raises(
        InputError, match=r"Airflow is not installed here\. Leave conn_id out.*register_connection\('x'"
    ):
        load("s3://tennis/model@champion", conn_id="x")
    with pytest.raises(InputError, match="Airflow is not installed here"):
        usable_engine(DaskCluster(conn_id="x"))


def test_a_catalog_that_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Iceberg("tennis.scores", conn_id="lake")
    monkeypatch.setitem(sys.modules, "airflow", None)
    with pytest.raises(InputError, match="Airflow is not installed here"):
        usable_table(table)
    register_connection("lake", {"type": "sql"})
    try:
        assert usable_table(table) == table
        assert credentials.options_of(table.registered_as) == {"type": "sql"}
    finally:
        for name in ("lake", table.registered_as):
            credentials.forget(name)


def test_a_connection_of_airflows(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a variable of the environment, as outside of tasks."""
    connection = f"aws://test-key:test-secret@/?endpoint_url={quote(moto, safe='')}&region_name=us-east-1"
    monkeypatch.setenv("AIRFLOW_CONN_BY_VARIABLE", connection)
    with pytest.raises(InputError, match="no run left a trace in s3://tennis/out/_runs"):
        runs("s3://tennis/out", conn_id="by_variable")
    credentials.forget("by_variable")
    assert "_AIRFLOW_PROCESS_CONTEXT" not in os.environ
