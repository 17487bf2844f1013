"""How far partitions drifted from the training data, or why nobody can say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from publications import committed

from airflow_batchscore.errors import GateError
from airflow_batchscore.publish.drift import Drift, drift_check, drift_limits, drift_problems, partition_drifts
from airflow_batchscore.quality.check import Check
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

EVEN, SHIFTED = [5, 5, 0, 0], [0, 10, 0, 0]  # the last two bins: values without a bin of their own, missing ones


def _grouped(features: Mapping[str, Sequence[float]], expected: Mapping[str, Sequence[float]]) -> Manifest:
    """A partition scored by models of its groups, which knows what training saw."""
    manifest = committed(1, method="predict")
    (block,) = manifest.blocks
    counts: dict[str, Any] = {"features": dict(features), "expected_features": dict(expected)}
    return replace(manifest, blocks=[replace(block, **counts)])


def _drift(manifest: Manifest) -> Drift:
    return partition_drifts([manifest])[manifest.key]


def test_the_column_that_drifted_most_is_the_worst() -> None:
    drift = _drift(_grouped({"a": EVEN, "b": SHIFTED}, {"a": EVEN, "b": EVEN}))
    assert drift.columns["a"] == 0
    assert drift.worst == ("b", drift.columns["b"])
    assert drift.columns["b"] > 1


@pytest.mark.parametrize(
    ("manifest", "reason", "on_purpose"),
    [
        (committed(1), "a function made them", False),
        (committed(1, 0, method="predict"), "they have no rows", True),
        (committed(1, 0, skipped=3, method="predict"), "none of their rows was scored", False),
        (_grouped({}, {}), "the model keeps no profile of its training data", False),
        (_grouped({"a": EVEN}, {"b": EVEN}), "the model keeps no profile of its training data", False),
        (_grouped({"a": EVEN, "b": [0] * 4}, {"a": EVEN, "b": EVEN}), "no values were counted in b", False),
        (_grouped({"id": [0, 0, 10, 0]}, {"id": [1, 1, 8, 0]}), "most values of id are rare", False),
    ],
)
def test_drift_that_cannot_be_measured_has_a_reason(manifest: Manifest, reason: str, on_purpose: bool) -> None:
    drift = _drift(manifest)
    assert (drift.worst, drift.on_purpose) == (None, on_purpose)
    assert drift.reason is not None
    assert reason in drift.reason


def test_rows_that_a_policy_skips_are_skipped_on_purpose() -> None:
    manifest = committed(1, 0, skipped=3, method="predict")
    blocks = [replace(block, uncovered={"p=1: missing, skipped": 3}) for block in manifest.blocks]
    drift = _drift(replace(manifest, blocks=blocks))
    assert (drift.reason, drift.on_purpose) == ("the model policy skips all of their rows", True)


def test_columns_whose_drift_hardly_shows_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    drift = _drift(_grouped({"id": [0, 0, 10, 0], "a": EVEN}, {"id": [1, 1, 8, 0], "a": EVEN}))
    assert drift.hardly_seen == ("id",)
    assert drift.worst is not None
    assert "max_drift cannot see much in the columns id: most of their values in training were rare" in caplog.text


@pytest.mark.parametrize("limit", [0, 0.25, "0.25", 1])
def test_a_limit_is_a_number_or_its_text(limit: float | str) -> None:
    assert drift_limits(limit).allowed("any") == float(limit)


@pytest.mark.parametrize("limit", [math.nan, "nan", math.inf, -0.1, "much", "", None, []])
def test_what_is_no_limit_is_refused(limit: Any) -> None:
    with pytest.raises(GateError, match=r"max_drift=.* is no limit: give a number such as 0\.25"):
        drift_limits(limit)


def test_partitions_above_the_limit_and_those_without_a_measure_are_problems() -> None:
    unknown = Drift(reason="a function made them")
    drifts = {"p=1": Drift({"a": 0.2, "b": 0.3}), "p=2": Drift({"a": 0.25}), "p=3": unknown, "p=4": unknown}
    assert drift_problems(drifts, drift_limits(0.25)) == [
        "partition p=1 drifted from the training data (PSI 0.300 of b, allowed 0.25)",
        "the drift of 2 partitions cannot be measured, because a function made them: p=3, p=4; run without max_drift "
        "if that is right",
    ]


def test_partitions_with_nothing_to_measure_on_purpose_are_a_problem_only_if_there_are_no_others() -> None:
    empty = Drift(reason="they have no rows", on_purpose=True)
    assert drift_problems({"p=1": empty, "p=2": Drift({"a": 0.0})}, drift_limits(0.25)) == []
    (problem,) = drift_problems({"p=1": empty}, drift_limits(0.25))
    assert problem.startswith("there is no drift to measure")
    assert drift_problems({}, drift_limits(0.25)) == []


def test_the_worst_partition_and_column_are_held_against_the_limit() -> None:
    drifts = {"p=1": Drift({"a": 0.2, "b": 0.3}), "p=2": Drift({"a": 0.25})}
    assert drift_check(drifts, drift_limits(0.3)) == Check("drift (PSI)", "0.300 of b in p=1", "0.3")
    assert "partition p=1 drifted" in (drift_check(drifts, drift_limits(0.26)).problem or "")
    unknown = drift_check({"p=1": Drift(reason="a function made them")}, drift_limits(0.26))
    assert (unknown.found, unknown.passed) == ("-", False)
