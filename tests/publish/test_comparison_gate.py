"""Gates on a challenger: what is out of limits fails, and what cannot be measured fails too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_comparison import classes, compared, numbers

from airflow_batchscore.errors import GateError
from airflow_batchscore.publish.comparison import Comparison, PartitionComparison
from airflow_batchscore.publish.comparison_gate import comparison_checks
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.quality.check import problems_of

pytestmark = pytest.mark.unit


def _problems(comparison: Comparison | None, **limits: Any) -> list[str]:
    return problems_of(comparison_checks(comparison, Limits(**limits)))


@pytest.mark.parametrize(("least", "passes"), [(0.75, True), ("0.75", True), (0.7501, False), (1, False), (0, True)])
def test_agreement_is_of_all_rows(least: float | str, passes: bool) -> None:
    comparison = compared(a=classes("xx", "xy"), b=classes("xx", "xx"))
    assert (_problems(comparison, min_agreement=least) == []) is passes


@pytest.mark.parametrize(
    ("limits", "passes"),
    [
        ({"p50": 0.506}, True),
        ({"p50": 0.499}, False),
        ({"max": 2}, True),
        ({"max": 1.99}, False),
        ({"mean": "1.0"}, True),
        ({"mean": 0.99}, False),
        ({"p100": 2, "p0": 0.506}, True),
        ({"p99.9": 0.1, "max": 9}, False),
    ],
)
def test_differences_are_held_to_each_limit(limits: dict[str, Any], passes: bool) -> None:
    assert (_problems(compared(a=numbers(0.5, -2.0), b=numbers(0.5)), max_difference=limits) == []) is passes


def test_a_row_of_one_model_alone_disagrees_without_bound() -> None:
    comparison = compared(a=numbers(*[0.0] * 18, alone=2))
    assert _problems(comparison, max_difference={"p50": 0}) == []
    (problem,) = _problems(comparison, max_difference={"p95": 1000})
    assert "unbounded" in problem
    assert "2 rows have a score of one model alone" in problem


def test_without_a_limit_nothing_fails_and_everything_is_shown() -> None:
    comparison = compared(a=numbers(5.0))
    broken = replace(comparison, partitions=[*comparison.partitions, PartitionComparison("p=b", problem="it broke")])
    checks = comparison_checks(broken, Limits())
    assert problems_of(checks) == []
    assert [(check.found, check.allowed) for check in checks] == [
        ("1 of 2", "-"),
        ("1 of 1", "-"),
        ("about 5", "no limit"),
    ]
    assert comparison_checks(None, Limits()) == []


def test_what_cannot_be_measured_fails() -> None:
    comparison = compared(a=numbers(0.0))
    broken = replace(comparison, partitions=[*comparison.partitions, PartitionComparison("p=b", problem="it broke")])
    (problem,) = _problems(broken, max_difference={"max": 1})
    assert "1 of 2 partitions were not compared, or not in full: p=b: it broke" in problem
    (problem,) = _problems(None, min_agreement=0)
    assert "this run has none" in problem
    (problem,) = _problems(comparison, min_agreement=0)
    assert "min_agreement= compares classes" in problem
    (problem,) = _problems(compared(a=classes("xx")), max_difference={"max": 1})
    assert "max_difference= compares numbers" in problem
    nothing = _problems(compared(a=numbers()), max_difference={"max": 1})
    assert any("no row was scored by both" in problem for problem in nothing)


@pytest.mark.parametrize(
    "limits",
    [
        {"min_agreement": 1.01},
        {"min_agreement": -0.1},
        {"min_agreement": float("nan")},
        {"min_agreement": "95 %"},
        {"max_difference": {}},
        {"max_difference": 0.5},
        {"max_difference": "p95"},
        {"max_difference": {"p101": 1}},
        {"max_difference": {"P95": 1}},
        {"max_difference": {"p95": -1}},
        {"max_difference": {"p95": None}},
    ],
)
def test_a_limit_that_is_none_is_refused_with_or_without_a_challenger(limits: dict[str, Any]) -> None:
    for comparison in (None, compared(a=numbers(0.0))):
        with pytest.raises(GateError, match="give (a share|limits)"):
            comparison_checks(comparison, Limits(**limits))


def test_an_output_of_one_model_alone_fails_a_gate() -> None:
    comparison = replace(compared(a=numbers(0.5)), left_out={"y": "the champion gives it, the challenger does not"})
    assert _problems(comparison) == []
    (problem,) = _problems(comparison, max_difference={"max": 1})
    assert "y: the champion gives it, the challenger does not" in problem
