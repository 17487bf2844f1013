"""The page Batch scoring on a real API server: who moves an alias, to what, and what an edited XCom changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attacks import edited, version_of
from people import Run
from places import Place

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]


def _model(place: Place, scored: Run, who: str = "viewer") -> Any:
    models = place.people[who].must("GET", "/batchscore/api/models")["models"]
    (model,) = (model for model in models if scored.dag_id in model["dag_ids"])
    return model


def _promotion(place: Place, scored: Run, **changed: str) -> dict[str, Any]:
    model = _model(place, scored)
    # Not the newest: other tests of this Airflow put versions there that are not to be trusted.
    version = place.people["viewer"].xcom(scored, "train")["model"].rpartition("/")[2]
    named = {"dag_id": scored.dag_id, "model_uri": model["uri"], "conn_id": model["conn_id"]}
    return {**named, "alias": "tried", "version": version, **changed}


def test_the_lists_say_what_the_run_did(place: Place, scored: Run) -> None:
    viewer = place.people["viewer"]
    (run,) = (run for run in viewer.must("GET", "/batchscore/api/runs")["runs"] if run["run_id"] == scored.run_id)
    published = viewer.xcom(scored, "publish")
    checked = viewer.xcom(scored, "check_scores")
    assert run["partitions"] == published["partitions"] == 2
    assert (run["rows"], run["rows_skipped"]) == (checked["rows_read"], checked["rows_skipped"])
    assert run["model"] in [version["version"] for version in _model(place, scored)["versions"]]
    grids = viewer.must("GET", "/batchscore/api/datasets")["datasets"]
    (grid,) = (grid for grid in grids if scored.dag_id in grid["dag_ids"])
    assert {"year=2014", "year=2015"} <= set(grid["partitions"])


def test_a_user_moves_an_alias_and_airflow_writes_it_down(place: Place, scored: Run) -> None:
    wanted = _promotion(place, scored)
    assert place.people["viewer"].ask("POST", "/batchscore/api/promote", wanted).status == 403
    assert place.people["user"].ask("POST", "/batchscore/api/promote", wanted).status == 204
    (alias,) = (alias for alias in _model(place, scored)["aliases"] if alias["alias"] == "tried")
    assert (alias["version"], alias["moves"][0]["by"]) == (wanted["version"], "a-user")
    logs = place.people["admin"].must("GET", "/api/v2/eventLogs?event=batchscore_promote")["event_logs"]
    assert [(log["dag_id"], log["owner"]) for log in logs] == [(scored.dag_id, "a-user")]
    assert wanted["version"] in logs[0]["extra"]


def test_an_edited_xcom_adds_no_model(place: Place, scored: Run) -> None:
    user, mine = place.people["user"], place.home / "uploads" / "model"
    real = version_of(Path(_model(place, scored)["uri"]))
    (mine / "v1").mkdir(parents=True)
    (mine / "v1" / "model.json").write_text((real / "model.json").read_text())
    before = user.xcom(scored, "train")
    with edited(user, scored, "train", {**before, "model": f"{mine}/v1"}):
        assert str(mine) not in str(user.must("GET", "/batchscore/api/models"))
        wanted = _promotion(place, scored, model_uri=str(mine), version="v1")
        assert user.ask("POST", "/batchscore/api/promote", wanted).status == 404
    assert not (mine / "aliases").exists()
