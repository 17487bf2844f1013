"""What an OpenLineage backend and a StatsD server get from a run of a real Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow.providers.openlineage", reason="the provider is not installed")
pytest.importorskip("statsd", reason="Airflow's extra statsd is not installed")

from receivers import Received, http_receiver, udp_receiver
from runs import explain
from stack import Stack
from support import copy_dags, quick_airflow, running

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def backend() -> Iterator[Received]:
    with http_receiver() as received:
        yield received


@pytest.fixture(scope="module")
def statsd() -> Iterator[Received]:
    with udp_receiver() as received:
        yield received


@pytest.fixture(scope="module")
def run_ids(
    backend: Received, statsd: Received, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """A run that publishes, and one that its gate stops."""
    folder = tmp_path_factory.mktemp("airflow")
    transport = {"type": "http", "url": f"http://127.0.0.1:{backend.port}", "endpoint": "api/v1/lineage"}
    extra = {
        "ASSET_HOME": str(home),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
    }
    with running(quick_airflow(folder / "home", copy_dags(folder / "dags", "asset_pipeline.py"), extra)) as airflow:
        yield _run(airflow, {}, "success"), _run(airflow, {"max_drift": 0.0001}, "failed")


def _run(airflow: Stack, conf: dict[str, Any], expected: str) -> str:
    airflow.wait_for_dag("asset_pipeline")
    run_id = airflow.trigger("asset_pipeline", conf)
    assert airflow.wait_for_run("asset_pipeline", run_id, 300) == expected, explain(airflow, "asset_pipeline", run_id)
    return run_id


def _event(backend: Received, task: str, kind: str) -> dict[str, Any]:
    """The first event of that kind from a task of the pipeline."""

    def found(_: list[Any]) -> dict[str, Any] | None:
        job = f"asset_pipeline.{task}"
        return next((e for e in backend.bodies() if e["job"]["name"] == job and e["eventType"] == kind), None)

    event: dict[str, Any] = backend.wait(found)
    return event


def _named(datasets: list[dict[str, Any]], home: Path) -> list[str]:
    assert {each["namespace"] for each in datasets} <= {"file"}
    return [each["name"].removeprefix(f"{home}/") for each in datasets]


def test_a_run_is_lineage_from_data_and_model_to_predictions(
    backend: Received, run_ids: tuple[str, str], home: Path
) -> None:
    data, model, alias, output = "part_{p}.csv", "model", "model@champion", "out.parquet"
    expected = {
        "train": ([data], [model]),
        "gate": ([model], [alias]),
        "plan": ([data, model], []),
        "score": ([data, model], ["staged"]),
        "publish": ([data, model], [output]),
    }
    for task, sides in expected.items():
        event = _event(backend, task, "COMPLETE")
        assert (_named(event["inputs"], home), _named(event["outputs"], home)) == sides, task
    published = _event(backend, "publish", "COMPLETE")
    (result,) = published["outputs"]
    assert result["outputFacets"]["outputStatistics"]["rowCount"] == 150
    assert [field["name"] for field in result["facets"]["schema"]["fields"]] == ["id", "prediction"]
    assert published["inputs"][0]["inputFacets"]["dataQualityMetrics"]["rowCount"] == 150


def test_a_task_that_starts_names_what_it_is_about_to_read(
    backend: Received, run_ids: tuple[str, str], home: Path
) -> None:
    event = _event(backend, "publish", "START")
    assert set(_named(event["inputs"], home)) == {"part_{p}.csv", "model@champion"}


def test_a_gate_that_stops_a_run_sends_its_verdict(backend: Received, run_ids: tuple[str, str]) -> None:
    event = _event(backend, "audit", "FAIL")
    assertions = event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    (verdict,) = (each for each in assertions if not each["success"])
    assert verdict["assertion"] == "drift (PSI)"
    assert "drifted from the training data" in verdict["description"]


def test_metrics_reach_statsd_with_the_names_of_dag_and_task(statsd: Received, run_ids: tuple[str, str]) -> None:
    tags = "dag_id=asset_pipeline,task_id=score"
    assert f"airflow.batchscore.rows_scored,{tags}:50|c" in statsd.items
    sent = {item.split(",")[0]: item for item in statsd.items if "batchscore" in item}
    assert set(sent) == {
        f"airflow.batchscore.{name}"
        for name in (
            *("rows_read", "rows_scored", "rows_skipped", "rows_quarantined"),
            *("rows_per_second", "seconds_per_block", "drift"),
        )
    }
    assert sent["airflow.batchscore.drift"].endswith("|g")
