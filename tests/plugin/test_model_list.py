"""The list of models: versions, who moved aliases, which runs used what, and only what sealed XComs name."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from lent import lent_connections
from made_runs import BEGAN, MadeRun
from pages import History
from sqlalchemy import select, update

from airflow_batchscore.data.storage import Location
from airflow_batchscore.model import listing
from airflow_batchscore.model.reference import ModelRef, resolve, set_alias
from airflow_batchscore.operators.seal import seal
from airflow_batchscore.operators.stored_lists import shortened
from airflow_batchscore.plan.models import Chosen, ModelPerPartition
from airflow_batchscore.plugin import model_list, reads
from airflow_batchscore.plugin.reads import Reads
from airflow_batchscore.plugin.recent_runs import RunCache

pytestmark = pytest.mark.dag

BOB = "bob of small_poking"


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A connection to an S3 server that accepts, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        keys = {"conn_type": "aws", "login": "a", "password": "b", "extra": {"endpoint_url": endpoint}}
        monkeypatch.setenv("AIRFLOW_CONN_HANGING", json.dumps(keys))
        yield "hanging"


def _names(folder: Path, model: ModelRef, dag_id: str = "never_run") -> str:
    """A run whose plan names the model."""
    run = MadeRun(folder, dag_id=dag_id, state="success")
    run.plan([1], model)
    return run.write()


def _listed(history: History, uri: str, who: str = "admin") -> list[Any]:
    return [model for model in history.ask("models", who)["models"] if model["uri"] == uri]


def test_a_model_is_listed_with_its_versions_and_the_runs_that_used_them(history: History) -> None:
    model = history.model
    new, old = model["versions"]
    assert model["dag_ids"] == ["seen_pipeline"]
    assert (model["conn_id"], model["problem"]) == (None, None)
    assert [run["run_id"] for run in old["runs"]] == [history.failed, history.good]
    assert [run["run_id"] for run in new["runs"]] == [history.newest]
    assert new["aliases"] == ["champion"]
    assert new["trained_on"] == ["p=0"]
    assert 0 < new["metrics"]["accuracy"] <= 1
    assert new["features"] == ["a", "b"]


def test_an_alias_tells_which_runs_moved_it(history: History) -> None:
    (alias,) = history.model["aliases"]  # tests of promotion may have moved it since
    assert [(move["version"], move["by"]) for move in alias["moves"][-2:]] == [
        (history.model["versions"][0]["version"], f"seen_pipeline/{history.newest}"),
        (history.model["versions"][1]["version"], f"seen_pipeline/{history.good}"),
    ]


def test_runs_of_a_dag_that_somebody_may_not_read_are_not_named_and_people_are(
    history: History, tmp_path: Path
) -> None:
    model = shutil.copytree(history.folder / "model", tmp_path / "model")
    ref = resolve(f"{model}/{history.model['versions'][1]['version']}")
    set_alias(str(model), "champion", ref, time.time_ns(), "ann@example.org")
    _names(tmp_path, ref, "small_poking")

    def movers(who: str) -> list[str]:
        ((alias,),) = (each["aliases"] for each in _listed(history, str(model), who))
        return [move["by"] for move in alias["moves"]]

    person, *runs = movers("admin")
    assert person == "ann@example.org"
    assert f"seen_pipeline/{history.newest}" in runs
    assert movers(BOB) == [person, *("" if by.startswith("seen_pipeline/") else by for by in runs)]


def test_who_may_not_edit_the_dag_is_told_so(history: History) -> None:
    def may(who: str) -> list[bool]:
        """Of this pipeline's model: other tests' runs may be in the database."""
        return [model["may"]["promote"] for model in _listed(history, f"{history.folder}/model", who)]

    assert may("viewer") == [False]
    assert may("ann of seen_pipeline") == [True]
    assert may(BOB) == []


def test_a_place_that_somebody_wrote_into_an_xcom_is_not_looked_at(
    history: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(model_list, "_kept", RunCache(9))
    chosen = (XComModel.run_id == history.good, XComModel.task_id == "train", XComModel.key == "return_value")
    with create_session() as session:
        before = session.scalar(select(XComModel.value).where(*chosen))
        session.execute(update(XComModel).where(*chosen).values(value={**before, "model": f"{tmp_path}/mine/v1"}))
        session.commit()
        try:
            assert str(tmp_path) not in str(history.ask("models"))
        finally:
            session.execute(update(XComModel).where(*chosen).values(value=before))


def test_models_of_one_uri_by_two_connections_are_two(history: History, tmp_path: Path) -> None:
    uri = f"s3://bucket/{tmp_path.name}"
    for conn_id in ("no_staging", "no_production"):
        _names(tmp_path, ModelRef(f"{uri}/v1", "d" * 64, conn_id))
    models = _listed(history, uri)
    assert [model["conn_id"] for model in models] == ["no_production", "no_staging"]
    for model in models:
        assert f"{uri} cannot be read by the API server" in model["problem"]
        assert f"the connection {model['conn_id']!r} does not exist" in model["problem"]


def test_a_list_of_models_that_cannot_be_read_is_told_and_asked_for_again(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists, ref = tmp_path / "lists", ModelRef(f"{tmp_path}/model/v1", "d" * 64)
    lists.mkdir()
    run = MadeRun(lists, dag_id="never_run", state="success", ended=BEGAN)
    (entry,) = run.plan([21])
    many = replace(entry, models=ModelPerPartition({key: Chosen(ref) for key in entry.keys}, ref))
    run.xcoms = [("plan", -1, [seal(shortened(many.to_dict(), Location(str(lists))), "plan", run.name, "plan")])]
    run.write()
    away = lists.rename(tmp_path / "away")
    assert "Runs whose models have not been read from storage: 1; reload" in history.ask("models")["problem"]
    wanted = {"dag_id": "never_run", "model_uri": f"{tmp_path}/model", "conn_id": None, "alias": "a", "version": "v1"}
    assert history.people["admin"].post("/api/promote", json=wanted).status_code == 502
    away.rename(lists)
    monkeypatch.setattr(reads, "_FAILED_SECONDS", -1.0)
    assert [model["dag_ids"] for model in _listed(history, f"{tmp_path}/model")] == [["never_run"]]
    assert history.people["admin"].post("/api/promote", json=wanted).status_code == 404, "there is no version"


def test_a_storage_that_hangs_is_told_with_its_model_and_the_others_are_listed(
    history: History, hanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_list, "_SECONDS", 3.0)
    uri = f"s3://bucket/{tmp_path.name}"
    _names(tmp_path, ModelRef(f"{uri}/v1", "d" * 64, hanging))
    for _ in range(2):
        (model,) = _listed(history, uri)
        assert model["problem"] == "storage has not answered yet; reload the page"
    assert (history.model["problem"], len(history.model["versions"])) == (None, 2)


def test_no_connection_to_the_database_is_held_while_storage_is_read(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def look(model: Any) -> Any:
        found.append(set(held))
        return before(model)

    before = listing.list_model
    monkeypatch.setattr(listing, "list_model", look)
    monkeypatch.setattr(model_list, "_listings", Reads(9))
    monkeypatch.setattr(model_list, "_MOST_MODELS", 1)  # others would look up their connections in the database
    with lent_connections() as held:
        history.ask("models")
    assert found == [set()]
