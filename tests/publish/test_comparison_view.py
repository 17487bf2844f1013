"""The comparison on the report's page: text, from JSON that somebody may have altered."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from test_comparison import classes, compared, numbers

from airflow_batchscore.publish.comparison_view import view
from airflow_batchscore.publish.verdict import KeptVerdict

pytestmark = pytest.mark.unit


def _json(**columns: Any) -> Any:
    return json.loads(json.dumps(compared(**columns).to_dict()))


def test_figures_are_short_and_what_is_not_there_is_a_dash() -> None:
    shown = view(_json(a=numbers(0.123456, float("inf"))))
    (column,) = shown["columns"]
    assert (column["agreement"], column["mean"], column["largest"]) == ("-", "0.1235", "unbounded")
    assert column["sizes"][-1] == "0.1235"
    assert shown["said"] == "2 rows were scored by both"
    assert [row["which"] for row in shown["rows"]] == ["id=1", "id=0"]
    assert [each["partition"] for each in shown["partitions"]] == ["p=a"]
    shown = view(_json(a=classes("xx", "xy")))
    (column,), (confusion,) = shown["columns"], shown["confusions"]
    assert (column["agreement"], column["mean"], column["sizes"]) == ("50.00%", "-", ["-"] * 4)
    assert confusion["rows"] == [("x", ["1", "1"]), ("y", ["0", "0"])]


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("columns"),
        lambda found: found["columns"]["x"].update(mean="<script>"),
        lambda found: found["columns"]["x"].update(rows=[1]),
        lambda found: found.update(partitions={"a": 1}),
        lambda found: found.update(champion=None),
    ],
)
def test_a_comparison_that_was_altered_is_not_shown(change: Any) -> None:
    comparison = _json(a=numbers(1.0))
    verdict = {"limits": {"max_drift": None}, "checks": [], "comparison": comparison}
    kept = KeptVerdict.of(verdict)
    assert kept
    assert kept.comparison == comparison
    altered = copy.deepcopy(verdict)
    change(altered["comparison"])
    shown = KeptVerdict.of(altered)
    assert shown
    assert shown.comparison is None
