"""Distributions of a run against its model's training data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import Small, good_rows, small

from airflow_batchscore.model.artifact import read_manifest
from airflow_batchscore.publish.run_view_profiles import profiles_view, sample

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("data"))
    made.add(1, good_rows(40))
    made.add(2, [(n, 4.0, 0, 1) for n in range(40)])
    return made


def test_features_and_predictions_stand_beside_training(data: Small) -> None:
    manifests = [manifest for manifest, _ in data.score(0, 1)]
    view = profiles_view(manifests, read_manifest(data.model).profile, 2)
    assert (view["columns"][0]["column"], view["columns"][0]["is_feature"]) == ("prediction", False)
    assert {each["column"] for each in view["columns"]} == {"a", "b", "prediction"}
    assert (view["looked_at"], view["committed"], view["problem"]) == (2, 2, None)
    for column in view["columns"]:
        assert sum(column["training"]) == pytest.approx(1, abs=1e-3)
        assert sum(column["scored"]) == pytest.approx(1, abs=1e-3)
        assert len(column["labels"]) == len(column["training"]) == len(column["scored"])


def test_drift_shows_the_columns_that_drifted_first(data: Small) -> None:
    manifests = [manifest for manifest, _ in data.score(2)]
    view = profiles_view(manifests, read_manifest(data.model).profile, 1)
    features = {each["column"]: each["drift"] for each in view["columns"] if each["is_feature"]}
    assert features["a"] > 0.25
    assert list(features.values()) == sorted(features.values(), reverse=True)


def test_a_class_is_labelled_by_its_value(data: Small) -> None:
    manifests = [manifest for manifest, _ in data.score(1)]
    (column, *_) = profiles_view(manifests, read_manifest(data.model).profile, 1)["columns"]
    assert column["labels"] == ["0", "1"]


def test_it_says_why_there_is_nothing_to_compare_with(data: Small) -> None:
    manifests = [manifest for manifest, _ in data.score(1)]
    assert "no partition is committed" in profiles_view([], None, 0)["problem"]
    assert "several models" in profiles_view(manifests, None, 1)["problem"]
    assert "a function" in profiles_view([replace(manifests[0], method="words:score")], None, 1)["problem"]


def test_a_sample_holds_the_first_and_the_last() -> None:
    keys = [f"p={n}" for n in range(1000)]
    chosen = sample(keys, 100)
    assert (len(set(chosen)), chosen[0], chosen[-1]) == (100, "p=0", "p=999")
    assert sample(keys[:3], 100) == keys[:3]
