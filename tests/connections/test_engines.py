"""Engines that name an Airflow connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from process_engine import Processes

from airflow_batchscore import DaskCluster, LocalDask, Spark
from airflow_batchscore.connections import connect_engine
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.dag


def test_an_engine_takes_its_address_from_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DASK", json.dumps({"conn_type": "dask", "host": "scheduler", "port": 8700}))
    monkeypatch.setenv("AIRFLOW_CONN_SPARK", json.dumps({"conn_type": "spark", "host": "yarn"}))
    assert connect_engine(DaskCluster(conn_id="dask")) == DaskCluster(address="tcp://scheduler:8700")
    assert connect_engine(Spark(conn_id="spark")) == Spark(master="yarn")
    for engine in (LocalDask(), Processes(), Spark(master="yarn")):
        assert connect_engine(engine) is engine


def test_a_connection_without_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DASK", json.dumps({"conn_type": "dask", "port": 8700}))
    with pytest.raises(InputError, match="the connection 'dask' names no host; add the cluster's address to it"):
        connect_engine(DaskCluster(conn_id="dask"))
    with pytest.raises(InputError, match="the connection 'nobody' does not exist; add it, or correct conn_id"):
        connect_engine(DaskCluster(conn_id="nobody"))


@pytest.mark.parametrize("engine", ["threads", LocalDask])
def test_what_is_no_engine_is_refused(engine: Any) -> None:
    with pytest.raises(
        InputError, match=r"engine=.*: its class must derive from airflow_batchscore.engine.base.Engine"
    ):
        connect_engine(engine)
