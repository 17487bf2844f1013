"""Each feature of what was scored beside the training data, measured on real scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support import Small, newly_trained
from unlike_shop import scored_shop

from airflow_batchscore.publish.drift import references_of
from airflow_batchscore.publish.features import (
    MOST_FIGURES,
    RunFeature,
    each_partition,
    feature_list,
    partition_features,
    run_features,
)
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return scored_shop(tmp_path_factory.mktemp("shop"))


def test_the_figures_of_a_partition_are_true_within_their_stated_error(manifests: list[Manifest]) -> None:
    references = references_of(manifests)
    same, moved = (partition_features(manifest, references) for manifest in manifests)
    assert same["price"].sample == same["channel"].sample == 1000, "of 20,000 rows, each twentieth"
    for found in same.values():
        assert (found.psi or 1) < 0.03
        assert (found.jensen_shannon or 1) < 0.1
        assert (found.unlike or 0) < 0.005
    assert (same["channel"].p_value or 0) > 0.01
    assert same["price"].p_value is None, "of classes alone"
    channel, price = moved["channel"], moved["price"]
    assert channel.unseen == pytest.approx(0.1, abs=1.5 * (channel.margin or 0))
    assert (channel.outside, channel.examples) == (None, ["'fax'"])
    assert 0.01 < (channel.margin or 0) < 0.03
    assert (channel.p_value or 0) < 1e-6
    assert price.missing == pytest.approx(0.2, abs=0.04)
    assert price.missing_in_training == 0
    assert price.outside == pytest.approx(0.8 * 0.825, abs=0.05), "four times 10 to 110, above 110"
    assert (price.psi or 0) > 0.25


def test_a_run_is_the_sum_of_its_partitions(manifests: list[Manifest]) -> None:
    references = references_of(manifests)
    both = run_features(manifests, references)
    one = partition_features(manifests[1], references)
    assert both["channel"].sample == 2 * (one["channel"].sample or 0)
    assert both["channel"].unseen == pytest.approx((one["channel"].unseen or 0) / 2)
    assert (both["channel"].margin or 1) < (one["channel"].margin or 0)
    drifts = {manifest.key: {name: each.psi or 0 for name, each in partition_features(manifest, references).items()}
              for manifest in manifests}  # fmt: skip
    first, second = feature_list(manifests, references, drifts)
    assert [first.feature, second.feature] == ["price", "channel"], "the one that drifted most comes first"
    assert (first.worst, first.worst_psi) == ("day=2", one["price"].psi)
    assert json.loads(json.dumps(first.to_dict()))["outside"] == float(f"{both['price'].outside:.4g}")


def test_scores_of_an_earlier_version_have_drift_and_unknown_shares(manifests: list[Manifest], tmp_path: Path) -> None:
    """Its manifests have no `beyond`; they are read, and what is not in them is not made up."""
    place = tmp_path / "manifests" / "000001.json"
    place.parent.mkdir()
    value = json.loads(Path(manifests[1].uri).read_text())
    for block in value["blocks"]:
        del block["beyond"]
    place.write_text(json.dumps(value))
    old = Manifest.read(manifests[1].location.at(str(place)))
    assert old is not None
    assert old.beyond() is None
    references = references_of([old])
    channel = partition_features(old, references)["channel"]
    assert (channel.unseen, channel.sample, channel.p_value, channel.margin) == (None, None, None, None)
    assert (channel.psi or 0) > 0.1
    both = run_features([manifests[0], old], references)["channel"]
    assert (both.unseen, both.sample) == (None, None), "half of an answer is none"


def test_a_model_of_an_earlier_version_has_drift_and_unknown_shares(tmp_path: Path) -> None:
    """Its `model.json` has no `ranges`."""
    from airflow_batchscore.model.reference import resolve

    data = newly_trained(tmp_path)
    data.add(1, [(n, 99, n % 7, 1) for n in range(50)])
    described = Path(f"{tmp_path}/model/{data.model.version}/model.json")
    value = json.loads(described.read_text())
    assert value["profile"].pop("ranges")["a"] == {"low": 0.0, "high": 4.0}
    described.write_text(json.dumps(value))
    old = Small(tmp_path, resolve(f"{tmp_path}/model/{data.model.version}"), data.recipe)
    ((manifest, _),) = old.score(1)
    found = partition_features(manifest, references_of([manifest]))["a"]
    assert (found.outside, found.unseen, found.sample) == (None, None, 50)
    assert (found.psi or 0) > 1


def test_bins_of_another_training_are_not_compared(manifests: list[Manifest]) -> None:
    references = references_of(manifests)
    block = manifests[0].blocks[0]
    other = replace(manifests[0], blocks=[replace(block, features={**block.features, "price": [1, 2, 3]})])
    assert list(partition_features(other, references)) == ["channel"]


def test_partitions_of_different_models_are_pooled_each_beside_its_own_training(tmp_path: Path) -> None:
    one, two = newly_trained(tmp_path / "one"), newly_trained(tmp_path / "two")
    one.add(1, [(n, (n % 17) / 4, n % 7, 1) for n in range(200)])
    two.add(2, [(n, 50, n % 7, 1) for n in range(100)])
    both = [one.score(1)[0][0], two.score(2)[0][0]]
    assert both[0].model != both[1].model
    found = run_features(both, references_of(both))
    assert found["a"].outside == pytest.approx(1 / 3)
    assert found["b"].outside == 0
    assert (found["a"].psi or 0) > 0.2 > (found["b"].psi or 1)


def test_a_summary_of_very_many_figures_leaves_those_of_partitions_out(manifests: list[Manifest]) -> None:
    references = references_of(manifests)
    assert set(each_partition(manifests, references)) == {"day=1", "day=2"}
    many = [manifests[0]] * (MOST_FIGURES // 2 + 1)
    assert each_partition(many, references) == {}
    assert isinstance(feature_list(manifests, references, {})[0], RunFeature)
