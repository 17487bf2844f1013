"""The model card, and what is said of the output."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import small

from airflow_batchscore.model.reference import ModelRef, set_alias
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import Chosen, ModelPerPartition, NoModel, OneModel
from airflow_batchscore.publish.published import PublishedRun, Report
from airflow_batchscore.publish.run_view_model import blank_card, model_card, models_of, output_view
from airflow_batchscore.training.evaluation import evaluate

pytestmark = pytest.mark.unit


def test_the_card_says_what_the_artifact_says(tmp_path: Path) -> None:
    data = small(tmp_path)
    set_alias(f"{tmp_path}/model", "champion", data.model, time.time_ns())
    evaluate(data.model, data.dataset, [0], require={"accuracy": ">=2"}, recipe=data.recipe)
    card = model_card(data.model, 2)
    assert (card["uri"], card["version"], card["digest"]) == (
        f"{tmp_path}/model",
        data.model.version,
        data.model.digest,
    )
    assert (card["trained_on"], card["aliases"], card["others"]) == (["p=0"], ["champion"], 2)
    assert card["metrics"].keys() == {"accuracy"}
    assert card["features"] == ["a", "b"]
    (evaluation,) = card["evaluations"]
    assert evaluation["partitions"] == ["p=0"]
    assert "required >=2" in evaluation["problems"][0]
    assert card["problem"] is None
    assert blank_card(data.model, 2, "gone").keys() == card.keys()


def test_a_damaged_history_leaves_the_rest_of_the_card(tmp_path: Path) -> None:
    data = small(tmp_path)
    folder = Path(data.model.uri) / "evaluations"
    folder.mkdir()
    (folder / "x.json").write_text('{"other": 1}')
    card = model_card(data.model, 0)
    assert card["estimator"]
    assert "could not be read" in card["problem"]


def test_a_model_that_is_not_the_pinned_one_has_no_card(tmp_path: Path) -> None:
    data = small(tmp_path)
    with pytest.raises(Exception, match="the run pinned"):
        model_card(replace(data.model, digest="0" * 64, manifest_digest=None), 0)


def test_models_of_a_plan_are_listed_once() -> None:
    one, two = ModelRef("/m/v1", "a" * 64), ModelRef("/m/v2", "b" * 64)

    def entry(models: Any) -> PlanEntry:
        return PlanEntry("p", [{"p": "1"}], [1], 1, models, None, 1, 0, 1, 1, "/x")

    assert models_of([entry(OneModel(one)), entry(OneModel(one))]) == [one]
    assert models_of([entry(ModelPerPartition({"p=1": Chosen(two)}, one))]) == [two, one]
    assert models_of([entry(NoModel())]) == []


def test_the_output_shows_what_its_publication_counted() -> None:
    page: Any = None
    published = PublishedRun("/out.csv", 10, 2, 1, 1, 0, 3, 0, Report(page, page, ""))
    view = output_view(published, "2026-11-22T10:00:00+00:00", False, 7, "/batchscore/report/d/r/t", ["p"])
    assert view["changes"] == {"added": 1, "replaced": 1, "unchanged": 0, "kept": 3, "dropped": 0}
    assert (view["rows"], view["generation"], view["table_version"]) == (10, 7, None)
    assert view["read_with"][0] == {"name": "pandas", "code": 'pd.read_csv("/out.csv")'}


def test_an_output_of_a_package_that_is_not_installed_is_shown_without_lines() -> None:
    page: Any = None
    published = PublishedRun("s3://b/table.sqlite", 10, 2, 1, 1, 0, 3, 0, Report(page, page, ""))
    assert output_view(published, None, True, None, "", ["p"])["read_with"] == []
