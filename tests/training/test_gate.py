from __future__ import annotations

import pytest

from airflow_batchscore.errors import GateError
from airflow_batchscore.training.gate import check_metrics

pytestmark = pytest.mark.unit

METRICS = {"accuracy": 0.91, "rmse": 3.5}


@pytest.mark.parametrize(
    "require",
    [{}, {"accuracy": ">=0.91"}, {"accuracy": "> 0.9", "rmse": "<4"}, {"rmse": "<= 3.5"}, {"rmse": "== 3.5e0"}],
)
def test_passes_within_the_limits(require: dict[str, str]) -> None:
    check_metrics(METRICS, require, "m")


@pytest.mark.parametrize(
    ("require", "message"),
    [
        ({"accuracy": ">0.91"}, "accuracy is 0.91, required >0.91"),
        ({"accuracy": ">=0.95", "rmse": "<3"}, "accuracy is .*; rmse is 3.5, required <3"),
        ({"f1": ">0"}, r"f1 was not measured \(there are accuracy, rmse\)"),
        ({"accuracy": "high"}, "write a comparison and a number"),
    ],
)
def test_lists_every_metric_that_does_not_pass(require: dict[str, str], message: str) -> None:
    with pytest.raises(GateError, match=message):
        check_metrics(METRICS, require, "m")


def test_a_limit_may_be_a_share_of_another_models_metric() -> None:
    check_metrics({"rmse": 1.8}, {"rmse": "<=0.95*baseline"}, "m", {"rmse": 2.0})
    check_metrics({"auc": 0.8}, {"auc": ">baseline"}, "m", {"auc": 0.7})
    with pytest.raises(GateError, match=r"rmse is 1.95, required <=0.95\*baseline = 1.9"):
        check_metrics({"rmse": 1.95}, {"rmse": "<=0.95*baseline"}, "m", {"rmse": 2.0})
    with pytest.raises(GateError, match="rmse has no baseline to hold it against"):
        check_metrics({"rmse": 1.95}, {"rmse": "<=baseline"}, "m")
