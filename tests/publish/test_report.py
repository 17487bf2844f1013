from __future__ import annotations

import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support import good_rows, small

from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.report import render, summarise
from airflow_batchscore.publish.runs import leave_report

pytestmark = pytest.mark.unit

NOTHING_CHANGED = Changes().to_dict()


class _Page(HTMLParser):
    """Tags, and what the page would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_the_report_holds_the_facts_and_loads_nothing(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, [*good_rows(50), (99, "x", 1, 1)])
    data.add(2, good_rows(60))
    manifests = [manifest for manifest, _ in data.score(1, 2, method="predict_proba")]
    published = combine(manifests, f"{tmp_path}/out/x.parquet")
    summary = summarise(manifests, published, run={"dag_id": "d", "run_id": "r"}, reused={"p=1": True})
    page_uri, facts_uri, digest = leave_report(manifests, summary, 1, "publish", None)

    found = json.loads(Path(facts_uri).read_text())
    assert found["totals"] == {
        "partitions": 2,
        "reused": 1,
        "rows_read": 111,
        "rows_scored": 110,
        "rows_skipped": 0,
        "rows_quarantined": 1,
    }
    assert [row["reused"] for row in found["partitions"]] == [True, False]
    assert found["model"]["digest"] == data.model.digest
    text = Path(page_uri).read_text()
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    page = _Page(text)
    assert page.loads == []
    assert "script" not in page.tags
    for fact in ("p=1", "p=2", data.model.digest, "LogisticRegression()", "accuracy", "prediction_1", "111"):
        assert fact in text


def test_of_very_many_partitions_the_page_shows_those_worth_a_look_and_the_json_all(tmp_path: Path) -> None:
    data = small(tmp_path)
    numbers = range(1, 521)
    for number in numbers:
        data.add(number, [*good_rows(2), (9, "x", 1, 1)] if number == 517 else good_rows(3))
    manifests = [manifest for manifest, _ in data.score(*numbers)]
    published = {"output": "x", **NOTHING_CHANGED}
    summary = summarise(manifests, published, run={"dag_id": "d"}, reused={})
    assert len(summary["partitions"]) == 520
    text = render(summary, manifests)
    assert text.count('<td class="bar">') == 500
    assert "The 500 of 520 with the most rows in quarantine and the most drift" in text
    assert "<td>p=517</td>" in text


def test_texts_from_data_are_escaped(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add("<script>alert(1)<", good_rows(5))
    manifests = [manifest for manifest, _ in data.score("<script>alert(1)<")]
    summary = summarise(manifests, {"output": "<img src=x>", **NOTHING_CHANGED}, run={"dag_id": "<b>"}, reused={})
    page = _Page(render(summary, manifests))
    assert not {"script", "img", "b"} & (set(page.tags) - {"b"})
    assert page.loads == []
    assert "<b>&lt;" not in render(summary, manifests)
