from __future__ import annotations

import pytest

from airflow_batchscore.errors import GateError
from airflow_batchscore.training.gate import metric_checks, require_passed

pytestmark = pytest.mark.unit

METRICS = {"accuracy": 0.91, "rmse": 3.5}


def _gate(
    metrics: dict[str, float], require: dict[str, str], model: str, baseline: dict[str, float] | None = None
) -> None:
    require_passed(metric_checks(metrics, require, baseline), model)


@pytest.mark.parametrize(
    "require",
    [{}, {"accuracy": ">=0.91"}, {"accuracy": "> 0.9", "rmse": "<4"}, {"rmse": "<= 3.5"}, {"rmse": "== 3.5e0"}],
)
def test_passes_within_the_limits(require: dict[str, str]) -> None:
    _gate(METRICS, require, "m")


@pytest.mark.parametrize(
    ("require", "message"),
    [
        ({"accuracy": ">0.91"}, "accuracy is 0.91, required >0.91"),
        ({"accuracy": ">=0.95", "rmse": "<3"}, r"2 problems:\n- accuracy is .*\n- rmse is 3.5, required <3"),
        ({"f1": ">0"}, r"f1 was not measured \(there are accuracy, rmse\)"),
        ({"accuracy": "high"}, "write a comparison and a number"),
    ],
)
def test_lists_every_metric_that_does_not_pass(require: dict[str, str], message: str) -> None:
    with pytest.raises(GateError, match=message):
        _gate(METRICS, require, "m")


def test_a_limit_may_be_a_share_of_another_models_metric() -> None:
    _gate({"rmse": 1.8}, {"rmse": "<=0.95*baseline"}, "m", {"rmse": 2.0})
    _gate({"auc": 0.8}, {"auc": ">baseline"}, "m", {"auc": 0.7})
    with pytest.raises(GateError, match=r"rmse is 1.95, required <=0.95\*baseline = 1.9"):
        _gate({"rmse": 1.95}, {"rmse": "<=0.95*baseline"}, "m", {"rmse": 2.0})
    with pytest.raises(GateError, match="rmse has no baseline to hold it against"):
        _gate({"rmse": 1.95}, {"rmse": "<=baseline"}, "m")


def test_each_metric_is_shown_with_its_limit_passed_or_not() -> None:
    checks = metric_checks(METRICS, {"accuracy": ">=0.9", "rmse": "<=baseline", "f1": ">0"}, {"rmse": 3.0})
    assert [(check.what, check.found, check.allowed, check.passed) for check in checks] == [
        ("accuracy", "0.91", ">=0.9", True),
        ("rmse", "3.5", "<=baseline = 3", False),
        ("f1", "-", ">0", False),
    ]
