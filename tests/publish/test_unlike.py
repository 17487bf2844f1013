"""Gates on rows unlike the training data, with the messages that an on-call person reads."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from publications import committed
from unlike_shop import scored_shop

from airflow_batchscore.errors import GateError
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.drift import references_of
from airflow_batchscore.publish.features import References
from airflow_batchscore.publish.unlike import OUTSIDE, UNSEEN, unlike_check
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.quality.check import Check
from airflow_batchscore.quality.limits import ColumnLimits
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return scored_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def references(manifests: list[Manifest]) -> References:
    return references_of(manifests)


def _checks(manifests: list[Manifest], **limits: Any) -> dict[str, Check]:
    found = audit([manifest.partition for manifest in manifests], manifests, Limits(**limits))
    return {check.what: check for check in found.checks}


def _unseen(manifests: list[Manifest], references: References, limit: Any = 0.01) -> Check:
    return unlike_check(manifests, references, UNSEEN, ColumnLimits.of("max_unseen", limit, most=1))


def test_the_problem_names_partition_feature_share_error_examples_limit_and_what_to_do(
    manifests: list[Manifest],
) -> None:
    checks = _checks(manifests, max_unseen=0.01, max_outside="0.7")
    assert checks["unseen classes"] == Check(
        "unseen classes", "9.80% of channel in day=2", "0.01",
        "partition day=2: in channel, 9.80% (±1.80%, from 1,000 rows) of the rows have a class that training did not "
        "see, such as 'fax' (allowed 1.00%): see whether the supplier renamed them, or train a version that knows them",
    )  # fmt: skip
    assert checks["values outside the training range"].passed
    assert checks["values outside the training range"].found.endswith("% of price in day=2")
    assert checks["drift (PSI)"].allowed == "no limit"
    assert "unseen classes" not in _checks(manifests, max_outside=1)


def test_each_feature_and_each_column_of_drift_can_have_a_limit_of_its_own(manifests: list[Manifest]) -> None:
    checks = _checks(manifests, max_outside={"price": 0.1}, max_drift={"channel": 0.1, "*": 100})
    problem = checks["values outside the training range"].problem or ""
    assert "in price, " in problem
    said = "of the rows lie outside the range of training (10.0079 to 110), such as 439.67 (allowed 10.00%)"
    assert said in problem
    drift = checks["drift (PSI)"]
    assert (drift.allowed, drift.passed) == ("channel 0.1, others 100", False)
    assert "partition day=2 drifted from the training data (PSI 0." in (drift.problem or "")
    assert "of channel, allowed 0.1)" in (drift.problem or "")
    assert _checks(manifests, max_drift={"price": 100})["drift (PSI)"].passed, "no other column is limited"


@pytest.mark.parametrize(("limits", "message"), [
    ({"max_unseen": {"chan": 0.1}}, "max_unseen names chan, not among the model's features: channel"),
    ({"max_drift": {"prise": 0.1}}, "max_drift names prise, not among the features and outputs .*prediction"),
    ({"max_outside": 5}, "max_outside=5 is no limit: give a share"),
    ({"max_unseen": "nan"}, "max_unseen='nan' is no limit"),
])  # fmt: skip
def test_wrong_limits_are_refused(manifests: list[Manifest], limits: Any, message: str) -> None:
    with pytest.raises(GateError, match=message):
        _checks(manifests, **limits)


def test_a_feature_of_the_other_kind_cannot_be_measured(manifests: list[Manifest]) -> None:
    problem = _checks(manifests, max_unseen={"price": 0.1})["unseen classes"].problem or ""
    assert (
        "unseen classes cannot be measured in 2 partitions, because max_unseen names price, and not only fea" in problem
    )


def test_a_model_without_such_features_cannot_be_held_to_a_limit(
    manifests: list[Manifest], references: References
) -> None:
    (ref,) = references
    numbers = {name: spec for name, spec in references[ref].ranges.items() if "low" in spec}
    blocks = [
        replace(
            block, beyond=block.beyond and replace(block.beyond, features={"price": block.beyond.features["price"]})
        )
        for block in manifests[0].blocks
    ]
    check = _unseen([replace(manifests[0], blocks=blocks)], {ref: replace(references[ref], ranges=numbers)})
    assert "the model has no features of classes that can be compared; run without max_unseen" in (check.problem or "")


def test_a_feature_of_too_many_classes_is_named_in_the_log_and_fails_where_it_has_a_limit(
    manifests: list[Manifest], references: References, caplog: pytest.LogCaptureFixture
) -> None:
    (ref,) = references
    profile = references[ref]
    bins = {**profile.features.bins, "name": profile.features.bins["channel"]}
    many = {ref: replace(profile, features=replace(profile.features, bins=bins))}
    features = {**manifests[0].blocks[0].features, "name": [0, 0, 0, 5, 0]}
    manifest = replace(manifests[0], blocks=[replace(block, features=features) for block in manifests[0].blocks])
    with caplog.at_level(logging.WARNING):
        assert _unseen([manifest], many).passed
    assert "max_unseen cannot see name: training saw no value of them, or more classes" in caplog.text
    problem = _unseen([manifest], many, {"name": 0.1}).problem or ""
    assert "because training saw no value, or too many classes, of name; take it out of max_unseen: day=1" in problem


def test_what_cannot_be_measured_fails_and_says_why(manifests: list[Manifest], references: References) -> None:
    (ref,) = references
    old_scores = replace(manifests[0], blocks=[replace(block, beyond=None) for block in manifests[0].blocks])
    old_model = {ref: replace(references[ref], ranges={})}
    nothing = committed(1, 0, skipped=3, method="predict")
    for found, with_, reason in (
        (old_scores, references, "an earlier version of this package scored them, and did not look; score them again"),
        (manifests[0], old_model, "an earlier version of this package trained the model; train it again"),
        (committed(1), {}, "a function made them, which has no training data; run without max_unseen: p=1"),
        (nothing, {}, "none of their rows was scored"),
    ):
        assert f"unseen classes cannot be measured in 1 partition, because {reason}" in (
            _unseen([found], with_).problem or ""
        )


def test_partitions_without_rows_are_a_problem_only_if_there_are_no_others(
    manifests: list[Manifest], references: References
) -> None:
    empty = committed(1, 0, method="predict")
    assert _unseen([manifests[0], empty], references).passed
    assert (_unseen([empty], {}).problem or "").startswith("there are no unseen classes to measure: the partitions")
    outside = unlike_check([manifests[0]], references, OUTSIDE, ColumnLimits.of("max_outside", {"price": 0.5}))
    assert (outside.found, outside.passed) == ("0.00% of price in day=1", True)
