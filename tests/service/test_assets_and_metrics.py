"""Assets and metrics of runs of a real Airflow: the graph, the events, the DAG that they start, OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from receivers import Received, http_receiver
from runs import succeed
from stack import Stack
from support import copy_dags, quick_airflow, running

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def otlp() -> Iterator[Received]:
    with http_receiver() as received:
        yield received


@pytest.fixture(scope="module")
def airflow(otlp: Received, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("airflow")
    extra = {
        "ASSET_HOME": str(home),
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{otlp.port}/v1/metrics",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    with running(quick_airflow(folder / "home", copy_dags(folder / "dags", "asset_pipeline.py"), extra)) as stack:
        stack.wait_for_dag("asset_consumer")
        stack.unpause("asset_consumer")
        yield stack


@pytest.fixture(scope="module")
def run_id(airflow: Stack) -> str:
    return succeed(airflow, "asset_pipeline", {})


def _asset(airflow: Stack, uri: str) -> dict[str, Any]:
    (found,) = [asset for asset in airflow.get("/api/v2/assets?limit=100")["assets"] if asset["uri"] == uri]
    return dict(found)


def test_the_assets_page_draws_data_set_model_and_predictions(airflow: Stack, run_id: str, home: Path) -> None:
    output = _asset(airflow, f"file://{home}/out.parquet")
    graph = airflow.get(f"/ui/dependencies?node_id=asset:{output['id']}&dependency_type=data")
    labels = {node["id"]: node["label"].replace(str(home), "") for node in graph["nodes"]}
    edges = {(labels[edge["source_id"]], labels[edge["target_id"]]) for edge in graph["edges"]}
    assert {
        ("file:///part_{p}.csv", "asset_pipeline.train"),
        ("asset_pipeline.train", "file:///model"),
        ("file:///model", "asset_pipeline.gate"),
        ("asset_pipeline.gate", "file:///model@champion"),
        ("file:///model@champion", "asset_pipeline.publish"),
        ("asset_pipeline.publish", "file:///out.parquet"),
    } <= edges


def test_a_publication_starts_the_dag_that_waits_for_it_and_tells_it_what_there_is(
    airflow: Stack, run_id: str, home: Path
) -> None:
    started = airflow.wait_for_newer_run("asset_consumer", None)
    assert airflow.wait_for_run("asset_consumer", started, 60) == "success"
    path = f"/api/v2/dags/asset_consumer/dagRuns/{started}/taskInstances/read/xcomEntries/return_value"
    (extra,) = airflow.get(f"{path}?deserialize=true")["value"]
    assert (extra["rows"], extra["partitions"], extra["changed"]) == (150, 3, 3)
    assert extra["run"] == f"asset_pipeline/{run_id}"
    assert len(extra["digest"]) == 64


def test_a_run_with_an_output_of_its_own_does_not_announce_the_usual_one(
    airflow: Stack, run_id: str, home: Path
) -> None:
    succeed(airflow, "asset_pipeline", {"output": "mine.parquet"})
    events = airflow.get("/api/v2/assets/events?limit=100")["asset_events"]
    by_uri = [event["uri"].removeprefix(f"file://{home}/") for event in events if str(home) in event["uri"]]
    assert sorted(by_uri) == ["mine.parquet", "model", "model", "model@champion", "model@champion", "out.parquet"]


def test_metrics_reach_an_opentelemetry_collector(otlp: Received, run_id: str) -> None:
    names = {"batchscore.rows_read", "batchscore.rows_per_second", "batchscore.seconds_per_block", "batchscore.drift"}
    otlp.wait(lambda items: names <= {point[0] for point in _points(items)})
    points = _points(otlp.items)
    scored = {point[1:] for point in points if point[0] == "batchscore.rows_scored" and point[1] == "score"}
    assert {("score", "asset_pipeline", 50)} <= scored
    drifts = [value for name, task, _, value in points if name == "batchscore.drift" and task == "audit"]
    assert drifts
    assert all(0 <= value < 100 for value in drifts)


def _points(items: list[tuple[str, bytes]]) -> list[tuple[str, str, str, float]]:
    """Name, task, DAG and value of each of our points; Airflow's prefix is left out."""
    found = []
    for _, body in items:
        request = ExportMetricsServiceRequest.FromString(body)
        scopes = [scope for resource in request.resource_metrics for scope in resource.scope_metrics]
        for metric in (metric for scope in scopes for metric in scope.metrics):
            if not metric.name.startswith("airflow.batchscore."):
                continue
            for point in (metric.sum if metric.HasField("sum") else metric.gauge).data_points:
                tags = {tag.key: tag.value.string_value for tag in point.attributes}
                assert set(tags) == {"dag_id", "task_id"}
                name = metric.name.removeprefix("airflow.")
                found.append((name, tags["task_id"], tags["dag_id"], point.as_double or point.as_int))
    return found
