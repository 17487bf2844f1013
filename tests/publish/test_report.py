from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from publications import committed
from sklearn.linear_model import LogisticRegression
from support import good_rows, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.published import Published
from airflow_batchscore.publish.report import render
from airflow_batchscore.publish.runs import leave_report
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.summary import summarise
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.training.imported import import_model
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

_ROWS = pd.DataFrame({"a": np.arange(10.0), "b": np.arange(10.0) % 3})


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


def test_the_report_says_whether_a_compiled_model_scored(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(50))
    ((manifest, _),) = data.score(1)
    published = combine([manifest], Location(f"{tmp_path}/out/x.parquet"))
    for name in (None, "onedal:" + "d" * 64):
        scored = [replace(manifest, model=replace(data.model, compiled=name))]
        summary = summarise(scored, published, run=ScoringRun("d", "r"), reused={})
        assert summary.model is not None
        assert summary.model.compiled == name
        text = Path(leave_report(scored, published, summary, f"publish{bool(name)}").page.uri).read_text()
        assert ("<dt>compiled</dt>" in text, str(name) in text) == (name is not None, name is not None)


def test_the_report_of_an_imported_model_says_so(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(50))
    found = import_model(lambda: LogisticRegression().fit(_ROWS, [0, 1] * 5))
    imported = train(TrainingJob(data.dataset, [0], data.recipe, found, f"{tmp_path}/taken")).ref
    for model, said, not_said in ((imported, "imported", "trained"), (data.model, "trained", "imported")):
        ((manifest, _),) = replace(data, model=model).score(1, token=said)
        published = combine([manifest], Location(f"{tmp_path}/out/{said}.parquet"))
        page = render(summarise([manifest], published, run=ScoringRun("d", "r"), reused={}), [manifest])
        assert f"<dt>{said}</dt>" in page
        assert f"<dt>{not_said}</dt>" not in page
        assert "on 0 rows" not in page


def test_the_report_holds_the_facts_and_loads_nothing(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, [*good_rows(50), (99, "x", 1, 1)])
    data.add(2, good_rows(60))
    manifests = [manifest for manifest, _ in data.score(1, 2, method="predict_proba")]
    published = combine(manifests, Location(f"{tmp_path}/out/x.parquet"))
    summary = summarise(manifests, published, run=ScoringRun("d", "r"), reused={"p=1": True})
    report = leave_report(manifests, published, summary, "publish")

    found = json.loads(Path(report.facts.uri).read_text())
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
    text = Path(report.page.uri).read_text()
    assert hashlib.sha256(text.encode()).hexdigest() == report.digest
    page = _Page(text)
    assert page.loads == []
    assert "script" not in page.tags
    for fact in ("p=1", "p=2", data.model.digest, "LogisticRegression()", "accuracy", "prediction_1", "111"):
        assert fact in text


def test_of_very_many_partitions_the_page_shows_those_worth_a_look_and_the_json_all() -> None:
    manifests = [committed(number, 2, quarantined=int(number == 517)) for number in range(1, 521)]
    published = Published(target_of(Location("x")), len(manifests), 0, Changes())
    summary = summarise(manifests, published, run=ScoringRun("d", "r"), reused={})
    assert len(summary.to_dict()["partitions"]) == 520
    text = render(summary, manifests)
    assert text.count('<td class="bar">') == 500
    assert "The 500 of 520 with the most rows in quarantine and the most drift" in text
    assert "<td>p=517</td>" in text


def test_texts_from_data_are_escaped(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add("<script>alert(1)<", good_rows(5))
    manifests = [manifest for manifest, _ in data.score("<script>alert(1)<")]
    published = Published(target_of(Location("<img src=x>")), 1, 5, Changes())
    summary = summarise(manifests, published, run=ScoringRun("<b>", "r"), reused={})
    page = _Page(render(summary, manifests))
    assert not {"script", "img", "b"} & (set(page.tags) - {"b"})
    assert page.loads == []
    assert "<b>&lt;" not in render(summary, manifests)
