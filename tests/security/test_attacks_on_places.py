"""A trigger overrides what the DAG offers, and no file beside it: not the data, nor Airflow's own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attacks import bytes_below, finish, refusals, refused, start
from places import WTA_DAG, Place

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]


def _protected(place: Place) -> dict[str, str]:
    airflow, dags = (Path(place.stack.env[name]) for name in ("AIRFLOW_HOME", "AIRFLOW__CORE__DAGS_FOLDER"))
    data = {str(path): path.read_text() for path in [*place.home.glob("*.csv"), *place.home.glob("matches/*.csv")]}
    return {**bytes_below(airflow, dags), **data}


def test_an_output_of_the_trigger_replaces_nothing_that_is_not_one(place: Place) -> None:
    airflow, dags = (place.stack.env[name] for name in ("AIRFLOW_HOME", "AIRFLOW__CORE__DAGS_FOLDER"))
    before = _protected(place)
    conf = {
        "names": ["../part_1.csv", "../part_9.csv", "x/../../part_1.csv", "%2e%2e/part_1.csv", "../../dags/x.parquet"],
        "outputs": [
            f"{place.home}/part_1.csv",
            f"{place.home}/part_9.csv",
            f"{airflow}/airflow.cfg.csv",
            f"{airflow}/scores",
            f"{dags}/scores.parquet",
            f"{place.home}/../dags/scores.parquet",
            f"{place.home}/elsewhere.csv",
        ],
        "reports": [
            f"{place.home}/part_1.csv",
            f"{airflow}/report.html",
            f"{dags}/report.html",
            f"{place.home}/elsewhere.html",
        ],
    }
    run = start(place.people["user"], "form_output", conf)
    assert finish(place.stack, run, 600) == "failed"
    tried = {f"{what[:-1]}_{n}" for what, values in conf.items() for n in range(len(values))}
    said = refusals(place.stack, run)
    assert set(said) == tried
    assert [message for message in said.values() if not message.startswith(("OutputError", "InputError"))] == []
    assert _protected(place) == before
    assert (place.home / "results" / "honest.parquet").exists()
    assert not [*place.home.glob("elsewhere*"), *place.home.glob("part_9*"), *place.home.glob("_runs")]


def test_a_name_in_a_form_makes_no_pattern_of_the_data_sets_uri(place: Place) -> None:
    """Neither all customers at once, nor one that takes a regular expression years to match."""
    (place.home / ("x" * 80)).mkdir()
    for customer in ("{customer}", "*", "".join(f"{{{letter}}}" for letter in "abcdefghijklmnopqrst")):
        run = start(place.people["user"], "form_customer", {"customer": customer})
        assert finish(place.stack, run) == "failed"
        said = refusals(place.stack, run)
        assert set(said) == {"wait", "plan"}
        assert all("the fields and wildcards of the pattern are the DAG's" in message for message in said.values())


def test_scores_are_staged_where_the_dag_says(place: Place) -> None:
    before = _protected(place)
    airflow, dags = (place.stack.env[name] for name in ("AIRFLOW_HOME", "AIRFLOW__CORE__DAGS_FOLDER"))
    conf = {"staged": [airflow, f"{dags}/staged", str(place.home), f"{place.home}/../dags"]}
    run = start(place.people["user"], "form_staging", conf)
    assert finish(place.stack, run) == "failed"
    said = refusals(place.stack, run)
    assert set(said) == {f"score_{n}-0" for n in range(4)}
    assert [message for message in said.values() if not message.startswith(("OutputError", "InputError"))] == []
    assert _protected(place) == before


def test_the_examples_form_writes_over_nothing(place: Place) -> None:
    before = _protected(place)
    user, airflow = place.people["user"], place.stack.env["AIRFLOW_HOME"]
    for output in (
        f"{place.home}/matches/wta_matches_2014.csv",
        f"{airflow}/out.csv",
        "../matches/wta_matches_2014.csv",
    ):
        refused(user, WTA_DAG, {"years": [2014], "output": output})
    assert _protected(place) == before


def test_a_range_without_an_end_is_refused_before_it_takes_memory(place: Place) -> None:
    user = place.people["user"]
    for dag_id, conf in (
        (WTA_DAG, {"years": "0..9999999999"}),
        ("form_partitions", {"partitions": "0..9999999999"}),
    ):
        message = refused(user, dag_id, conf)
        assert message.startswith("InputError")
        assert "10,000,000,000 partitions" in message


@contextmanager
def _listener() -> Iterator[tuple[str, list[object]]]:
    """An address, and who connected to it."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                came.append(address)
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        host, port = server.getsockname()
        yield f"{host}:{port}", came
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_a_uri_names_no_host(place: Place) -> None:
    user = place.people["user"]
    with _listener() as (address, came):
        for options in (
            f"endpoint_override={address}&scheme=http&retry_limit_seconds=1",
            f"blob_storage_authority={address}&dfs_storage_authority={address}&blob_storage_scheme=http",
        ):
            conf = {"rest": f"x_{{p}}.csv?{options}", "dataset": f"gs://anonymous@bucket/x_{{p}}.csv?{options}"}
            run = start(user, "form_dataset", conf)
            assert finish(place.stack, run) == "failed"
            said = refusals(place.stack, run)
            assert set(said) == {"below_gs", "below_abfs", "below_s3", "below_data", "anywhere"}
            assert [message for message in said.values() if not message.startswith("InputError")] == []
    assert came == []
