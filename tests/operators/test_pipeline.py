"""The operators in a DAG that Airflow runs in this process (`dag.test`)."""

from __future__ import annotations

import copy
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from s3_server import s3_client
from small_pipeline import PARAMS
from support import AIRFLOW_HOME, good_rows, looking_at_processes, newest_summary, write_csv

from airflow_batchscore.connections import connect
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location

pytestmark = pytest.mark.dag


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    for partition in (1, 2, 3):
        write_csv(tmp_path / f"part_{partition}.csv", good_rows(50, 1000 * partition))
    return tmp_path


def _run(dags: dict[str, Any], dag_id: str, folder: Path | str, **conf: Any) -> tuple[str, dict[str, Any]]:
    """The state of the run, and of each task instance."""
    # dag.test renders templates into the DAG's own operators, hence a copy, and writes conf into params that the copy
    # shares, hence a value for each.
    with mock.patch.dict(os.environ, AIRFLOW_VAR_FOLDER=str(folder)):
        run = copy.deepcopy(dags[dag_id]).test(run_conf={**PARAMS, **conf})
    states = {
        instance.task_id if instance.map_index < 0 else f"{instance.task_id} {instance.rendered_map_index}": str(
            instance.state
        )
        for instance in run.get_task_instances()
    }
    return str(run.state), states


def test_a_run_publishes_what_was_asked_for(airflow_dags: dict[str, Any], folder: Path) -> None:
    state, states = _run(airflow_dags, "small_pipeline", folder, partitions=[1, 3])
    assert state == "success"
    assert {name for name in states if name.startswith("score ")} == {"score p=1", "score p=3"}
    found = pd.read_parquet(folder / "out.parquet")
    assert found["id"].tolist() == [*range(1000, 1050), *range(3000, 3050)]
    summary = newest_summary(folder)
    assert summary["run"]["dag_id"] == "small_pipeline"
    assert summary["passed"] is not None
    assert len(list(folder.glob("_runs/out.parquet/*/*/publish.report.html"))) == 1
    assert (
        json.loads((folder / "model" / "aliases" / "champion.json").read_text())["digest"] == summary["model"]["digest"]
    )


def test_an_estimate_is_kept_to_and_shown_in_the_report(airflow_dags: dict[str, Any], folder: Path) -> None:
    dag = copy.deepcopy(airflow_dags["small_pipeline"])
    plan = dag.task_dict["plan"]
    plan.estimate, plan.price_per_core_hour, plan.max_cost = True, 3600.0, 1e6
    with mock.patch("airflow_batchscore.scoring.rounds._LEAST_SECONDS", 0.05):
        state, _ = _run({"small_pipeline": dag}, "small_pipeline", folder, partitions=[1, 3])
        assert state == "success"
        told = newest_summary(folder)["estimate"]
        assert (told["partitions"], told["reused"]) == (2, 0)
        assert told["rows"] == pytest.approx(100, rel=0.1)
        assert told["said"].startswith("estimated ")
        plan.max_cost = 0
        state, states = _run({"small_pipeline": dag}, "small_pipeline", folder, partitions=[2, 3])
    assert (state, states["plan"]) == ("failed", "failed")
    assert states["publish"] == "upstream_failed"
    assert not list(folder.glob("staged/p=2"))


@pytest.mark.parametrize(
    ("conf", "broken", "failing", "message"),
    [
        ({"partitions": "3..1"}, None, "wait", r"the range 3\.\.1 runs backwards"),
        ({"require": ">1"}, None, "check_model", "accuracy is .*, required >1. It was not promoted"),
        ({}, "id,a\n1,2\n", "score p=2", r"partition p=2: .*part_2.csv lacks the columns \['b'\]"),
        ({}, "id,a,b\n1,x,2\n", "check_scores", r"1 row in quarantine, 0 allowed: p=2 1"),
    ],
)
def test_bad_input_fails_where_it_is_noticed_and_publishes_nothing(
    airflow_dags: dict[str, Any],
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    conf: dict[str, Any],
    broken: str | None,
    failing: str,
    message: str,
) -> None:
    if broken:
        (folder / "part_2.csv").write_text(broken)
    (folder / "out.parquet").write_bytes(b"what readers have now")
    state, states = _run(airflow_dags, "small_poking" if "partitions" in conf else "small_pipeline", folder, **conf)
    assert state == "failed"
    assert states[failing] == "failed"
    assert (folder / "out.parquet").read_bytes() == b"what readers have now"
    output = capfd.readouterr()
    assert re.search(message, output.out + output.err)


def test_a_bad_partition_loses_nothing_of_the_others(airflow_dags: dict[str, Any], folder: Path) -> None:
    good = (folder / "part_2.csv").read_text()
    (folder / "part_2.csv").write_text("")
    assert _run(airflow_dags, "small_pipeline", folder)[0] == "failed"
    (folder / "part_2.csv").write_text(good)
    assert _run(airflow_dags, "small_pipeline", folder)[0] == "success"
    rows = newest_summary(folder)["partitions"]
    assert [row["reused"] for row in rows] == [True, True, False, True]


@pytest.mark.parametrize(("partitions", "big"), [([1, 2, 3, 4], ["p=4"]), ([1, 2], []), ([4], ["p=4"])])
def test_big_and_small_partitions_are_scored_by_tasks_of_their_own(
    airflow_dags: dict[str, Any], folder: Path, partitions: list[int], big: list[str]
) -> None:
    write_csv(folder / "part_4.csv", good_rows(500, 4000))
    state, states = _run(airflow_dags, "by_size", folder, partitions=partitions)
    assert state == "success"
    assert [name for name in states if name.startswith("score_big p")] == [f"score_big {key}" for key in big]
    small = [f"score_small p={number}" for number in partitions if number != 4]
    assert [name for name in states if name.startswith("score_small p")] == small
    found = pd.read_parquet(folder / "out.parquet")
    assert found["p"].unique().tolist() == partitions


def _connection(endpoint: str, *, login: str | None = "test-key", password: str = "test-secret") -> str:
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    return json.dumps({"conn_type": "aws", "login": login, "password": password if login else None, "extra": extra})


@pytest.mark.service
def test_the_pipeline_on_s3_with_the_connection_of_airflow(
    airflow_dags: dict[str, Any], folder: Path, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", _connection(moto))
    client = s3_client(moto)
    for path in folder.glob("*.csv"):
        client.upload_file(str(path), "tennis", f"in put/{path.name}")
    for dag_id, reused in (("small_pipeline", 0), ("small_poking", 4)):
        assert _run(airflow_dags, dag_id, "s3://tennis/in put")[0] == "success"
        newest = client.get_object(Bucket="tennis", Key="in put/_runs/out.parquet/latest.json")
        pointer = json.loads(newest["Body"].read())
        place = pointer["summary"].removeprefix("s3://tennis/")
        summary = json.loads(client.get_object(Bucket="tennis", Key=place)["Body"].read())
        assert summary["totals"]["reused"] == reused
    published = client.get_object(Bucket="tennis", Key="in put/out.parquet")["Body"].read()
    (folder / "s3.parquet").write_bytes(published)
    assert _run(airflow_dags, "small_pipeline", folder)[0] == "success"
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "s3.parquet"), pd.read_parquet(folder / "out.parquet"))
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="tennis")["Contents"]]
    assert any(key.startswith("in put/staged/p=1/") and key.endswith("/manifests/000001.json") for key in keys)


@pytest.mark.service
def test_worker_processes_read_s3_with_the_tasks_connection(
    airflow_dags: dict[str, Any], folder: Path, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", _connection(moto))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    client = s3_client(moto)
    for path in folder.glob("*.csv"):
        client.upload_file(str(path), "tennis", path.name)
    assert _run(airflow_dags, "small_poking", "s3://tennis", partitions=[1])[0] == "success"
    client.download_file("tennis", "out.parquet", str(folder / "out.parquet"))
    assert pd.read_parquet(folder / "out.parquet")["id"].tolist() == list(range(1000, 1050))


@pytest.mark.service
def test_sensors_of_both_kinds_see_a_late_object_on_s3(
    airflow_dags: dict[str, Any], moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", _connection(moto))
    late = threading.Timer(
        4, lambda: s3_client(moto).put_object(Bucket="tennis", Key="late/part_5.csv", Body=b"id\n1\n")
    )
    late.start()
    run = copy.deepcopy(airflow_dags["s3_sensors"]).test()
    late.join()
    assert {task.task_id: str(task.state) for task in run.get_task_instances()} == {
        "key": "success",
        "partition": "success",
    }


@pytest.mark.service
def test_the_secret_of_a_connection_is_left_nowhere(
    airflow_dags: dict[str, Any],
    folder: Path,
    moto: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    secret = "kq93-MARKED-w7x-SECRET"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", _connection(moto, password=secret))
    monkeypatch.setenv("AIRFLOW_CONN_SIGNING", json.dumps({"conn_type": "generic", "password": f"{secret}-2"}))
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SIGNING_CONN_ID", "signing")
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__REQUIRE_SIGNATURE", "True")
    client = s3_client(moto)
    for path in folder.glob("*.csv"):
        client.upload_file(str(path), "tennis", path.name)
    with _arguments_of_processes() as arguments:
        assert _run(airflow_dags, "small_poking", "s3://tennis", partitions=[1])[0] == "success"
        assert _run(airflow_dags, "small_poking", "s3://tennis", partitions=[1], require=">=2")[0] == "failed"
    left = {str(path): path.read_bytes() for path in [*AIRFLOW_HOME.rglob("*"), *folder.rglob("*")] if path.is_file()}
    for item in client.list_objects_v2(Bucket="tennis")["Contents"]:
        left[item["Key"]] = client.get_object(Bucket="tennis", Key=item["Key"])["Body"].read()
    output = capfd.readouterr()
    left |= {"output": (output.out + output.err).encode(), "arguments": b"\n".join(sorted(arguments))}
    assert any(name.endswith("airflow.db") for name in left)
    assert any(b"spawn_main" in line for line in arguments)
    assert [name for name, data in left.items() if secret.encode() in data] == []


@contextmanager
def _arguments_of_processes() -> Iterator[set[bytes]]:
    """The command lines of all processes that ran meanwhile for more than a moment."""
    seen = set[bytes]()
    with looking_at_processes(lambda process: seen.add((process / "cmdline").read_bytes())):
        yield seen


@pytest.mark.service
def test_s3_without_credentials_is_a_clear_error(
    airflow_dags: dict[str, Any],
    moto: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", _connection(moto, login=None))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _run(airflow_dags, "small_poking", "s3://tennis")[0] == "failed"
    output = capfd.readouterr()
    assert "no AWS credentials. The connection 'aws_default' has none" in output.out + output.err


@pytest.mark.clouds
@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_the_pipeline_in_a_cloud_with_the_connection_of_airflow(
    airflow_dags: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    import stores

    with stores.fake_gcs() if scheme == "gs" else stores.azurite() as endpoint:
        google = {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": "test"}}
        azure = {"conn_type": "wasb", "host": endpoint, "extra": {"account_key": stores.ACCOUNT_KEY}}
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(google))
        monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", json.dumps(azure))
        place = f"{scheme}://tennis/in put"
        cloud = connect(Location(place))
        for path in folder.glob("*.csv"):
            storage.write_bytes(cloud / path.name, path.read_bytes())
        assert _run(airflow_dags, "small_pipeline", place)[0] == "success"
        assert _run(airflow_dags, "small_poking", place)[0] == "success"
        (folder / "cloud.parquet").write_bytes(storage.read_bytes(cloud / "out.parquet"))
    assert _run(airflow_dags, "small_pipeline", folder)[0] == "success"
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "cloud.parquet"), pd.read_parquet(folder / "out.parquet"))
