"""The list of models: versions, who moved aliases, which runs used what, and only what sealed XComs name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from pages import History
from sqlalchemy import select, update

from airflow_batchscore.plugin import model_list
from airflow_batchscore.plugin.recent_runs import RunCache

pytestmark = pytest.mark.dag


def test_a_model_is_listed_with_its_versions_and_the_runs_that_used_them(history: History) -> None:
    model = history.model
    new, old = model["versions"]
    assert model["dag_ids"] == ["seen_pipeline"]
    assert model["problem"] is None
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


def test_who_may_not_edit_the_dag_is_told_so(history: History) -> None:
    def may(who: str) -> list[bool]:
        """Of this pipeline's model: other tests' runs may be in the database."""
        models = history.ask("models", who)["models"]
        return [model["may"]["promote"] for model in models if model["uri"] == f"{history.folder}/model"]

    assert may("viewer") == [False]
    assert may("ann of seen_pipeline") == [True]
    assert may("bob of small_poking") == []


def test_a_place_that_somebody_wrote_into_an_xcom_is_not_looked_at(
    history: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
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


def test_a_model_that_is_gone_says_so(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_batchscore.data.storage import Location

    def gone(session: Any, runs: Sequence[Any], dags: Any) -> Any:
        named = model_list.NamedModel(Location("s3://bucket/model", "no-such-connection"), "v1", is_used=True)
        return {run: [named] for run in runs}

    monkeypatch.setattr(model_list, "_kept", RunCache(9))
    monkeypatch.setattr(model_list, "_named", gone)
    (model,) = history.ask("models")["models"]
    assert "s3://bucket/model cannot be read by the API server" in model["problem"]
    assert "no-such-connection" in model["problem"]
