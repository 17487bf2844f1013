"""Moving an alias from the page: who may, to what, and what is written down."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from airflow.models.log import Log
from airflow.utils.session import create_session
from lent import lent_connections
from made_runs import MadeRun
from pages import History
from sqlalchemy import select

from airflow_batchscore.model.reference import ModelRef, resolve
from airflow_batchscore.plugin import promotion
from airflow_batchscore.plugin.promotion import EVENT

pytestmark = pytest.mark.dag

ANN = "ann of seen_pipeline"


def _promote(history: History, who: str = ANN, headers: dict[str, str] | None = None, **changed: str | None) -> Any:
    wanted = {
        "dag_id": "seen_pipeline",
        "model_uri": f"{history.folder}/model",
        "conn_id": None,
        "alias": "tried",
        "version": "",
    }
    wanted["version"] = history.model["versions"][1]["version"]
    body = json.dumps({**wanted, **changed})
    sent = {"Content-Type": "application/json", **(headers or {})}
    return history.people[who].post("/api/promote", content=body, headers=sent)


def _audit_log() -> list[Log]:
    with create_session() as session:
        return list(session.scalars(select(Log).where(Log.event == EVENT)))


def test_an_alias_is_moved_and_both_histories_say_by_whom(history: History) -> None:
    old = history.model["versions"][1]["version"]
    before = len(_audit_log())
    answer = _promote(history, alias="champion")
    assert answer.status_code == 204, answer.text
    assert resolve(f"{history.folder}/model@champion").version == old
    (model,) = (each for each in history.ask("models", ANN)["models"] if each["uri"] == history.model["uri"])
    (alias,) = (alias for alias in model["aliases"] if alias["alias"] == "champion")
    assert (alias["version"], alias["moves"][0]["by"]) == (old, ANN)
    *_, entry = _audit_log()
    assert len(_audit_log()) == before + 1
    assert (entry.dag_id, entry.owner) == ("seen_pipeline", ANN)
    new = history.model["versions"][0]["version"]
    assert json.loads(entry.extra or "") == {
        "model": f"{history.folder}/model",
        "conn_id": None,
        "alias": "champion",
        "version": old,
        "before": new,
    }
    assert _promote(history, alias="champion", version=new).status_code == 204


@pytest.mark.parametrize(
    ("who", "changed", "status", "message"),
    [
        ("", {}, 401, "Not authenticated"),
        ("viewer", {}, 403, "you may not edit the DAG seen_pipeline"),
        ("bob of small_poking", {}, 403, "you may not edit the DAG seen_pipeline"),
        ("bob of small_poking", {"dag_id": "small_poking"}, 404, "no recent run of small_poking has trained"),
        (ANN, {"dag_id": "small_poking"}, 403, "you may not edit the DAG small_poking"),
        ("admin", {"dag_id": "nothing"}, 403, "you may not edit the DAG nothing, or it does not exist"),
        (ANN, {"model_uri": "/etc"}, 404, "no recent run of seen_pipeline .* with a model at /etc"),
        (ANN, {"version": "nope"}, 404, "version 'nope' does not exist"),
        (ANN, {"version": "../../model"}, 409, "is not usable"),
        (ANN, {"alias": "../tried"}, 409, "is not usable"),
    ],
)
def test_what_may_not_be_is_refused_with_what_to_do(
    history: History, who: str, changed: dict[str, str], status: int, message: str
) -> None:
    before = len(_audit_log())
    answer = _promote(history, who, **changed)
    assert answer.status_code == status, answer.text
    assert re.search(message, answer.json()["detail"])
    assert len(_audit_log()) == before
    assert not (history.folder / "model" / "aliases" / "tried.json").exists()


def test_the_connection_says_which_model_of_a_uri_is_meant(history: History, tmp_path: Path) -> None:
    uri = f"s3://bucket/{tmp_path.name}"
    for conn_id in ("no_staging", "no_production"):
        run = MadeRun(tmp_path, dag_id="never_run", state="success")
        run.plan([1], ModelRef(f"{uri}/v1", "d" * 64, conn_id))
        run.write()
    named = {"dag_id": "never_run", "model_uri": uri, "version": "v1"}
    for conn_id in ("no_staging", "no_production"):
        answer = _promote(history, "admin", **named, conn_id=conn_id)
        assert answer.status_code == 409
        assert f"the connection {conn_id!r} does not exist" in answer.json()["detail"]
    answer = _promote(history, "admin", **named, conn_id="another")
    assert answer.status_code == 404
    assert f"with a model at {uri} by another" in answer.json()["detail"]


def test_no_connection_to_the_database_is_held_while_storage_is_read(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def look(*given: Any) -> Any:
        found.append(set(held))
        raise OSError("no answer")

    monkeypatch.setattr(promotion, "_intact", look)
    with lent_connections() as held:
        assert _promote(history).status_code == 502
    assert found == [set()]


def test_another_sites_form_cannot_send_it(history: History) -> None:
    answer = _promote(history, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert not (history.folder / "model" / "aliases" / "tried.json").exists()


def test_a_damaged_version_is_refused(history: History) -> None:
    version = history.folder / "model" / history.model["versions"][1]["version"]
    (path,) = version.glob("model-*.joblib")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    try:
        answer = _promote(history)
    finally:
        path.write_bytes(whole)
    assert answer.status_code == 409
    assert re.match(r"tried was not moved: .*: the bytes of .*Restore the file", answer.json()["detail"])


def test_airflows_own_folders_are_not_written(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(history.folder))
    answer = _promote(history)
    assert answer.status_code == 403
    assert "lies in the DAGs folder" in answer.json()["detail"]


@pytest.mark.parametrize("setting", ["OUTPUT_URIS", "TRUSTED_MODEL_URIS"])
def test_the_configured_places_limit_it(history: History, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AIRFLOW__BATCHSCORE__{setting}", "/elsewhere")
    answer = _promote(history)
    assert answer.status_code == 403
    assert f"[batchscore] {setting.lower()}" in answer.json()["detail"]
    assert not Path(f"{history.folder}/model/aliases/tried.json").exists()
