from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from publications import committed
from sklearn.linear_model import LogisticRegression
from support import good_rows, small
from unlike_shop import scored_shop

from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.published import Published
from airflow_batchscore.publish.report import render
from airflow_batchscore.publish.runs import leave_report
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.summary import summarise
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.publish.verdict import KeptVerdict
from airflow_batchscore.quality.check import Check
from airflow_batchscore.scoring.manifest import Manifest
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
        #: Names of the rows of the tables, and pictures that are neither named nor hidden.
        self.headed: list[str] = []
        self.unnamed: list[str] = []
        self._is_name = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        self._is_name = ("scope", "row") in attrs
        if tag == "svg" and not {"aria-label", "aria-hidden"} & dict(attrs).keys():
            self.unnamed.append(str(attrs))

    def handle_data(self, data: str) -> None:
        if self._is_name:
            self.headed.append(data)
        self._is_name = False


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
        assert ("<dt>Compiled</dt>" in text, str(name) in text) == (name is not None, name is not None)


def test_the_report_of_an_imported_model_says_so(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(50))
    found = import_model(lambda: LogisticRegression().fit(_ROWS, [0, 1] * 5))
    imported = train(TrainingJob(data.dataset, [0], data.recipe, found, f"{tmp_path}/taken")).ref
    for model, said, not_said in ((imported, "Imported", "Trained"), (data.model, "Trained", "Imported")):
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
    rows = _Page(text).headed
    assert (len(rows), rows[0]) == (500, "p=517")
    assert "The 500 of 520 with the most rows in quarantine and the most drift, worst first" in text


def test_few_partitions_are_in_their_order_and_of_many_the_worst_come_first() -> None:
    for number, first in ((50, "p=1"), (51, "p=30")):
        manifests = [committed(one, 2, quarantined=int(one == 30)) for one in range(1, number + 1)]
        published = Published(target_of(Location("x")), len(manifests), 0, Changes())
        rows = _Page(render(summarise(manifests, published, run=ScoringRun("d", "r"), reused={}), manifests)).headed
        assert (len(rows), rows[0]) == (number, first)


def test_the_page_begins_with_the_run_in_sentences() -> None:
    published = Published(target_of(Location("x")), 2, 0, Changes(generation=1_767_225_600_000_000_000))
    run = ScoringRun("d", "r")

    def page(*manifests: Manifest, reused: bool = False) -> str:
        summary = summarise(manifests, published, run=run, reused={m.key: reused for m in manifests})
        return " ".join(render(summary, manifests).split())

    text = page(committed(1, 1000, skipped=2), committed(2, 5, quarantined=1))
    assert "<h1>1,005 of 1,008 rows were scored and published</h1>" in text
    assert "2 partitions. 2 rows were skipped by the function; 1 could not be scored and is in quarantine." in text
    assert "1767225600000000000" in text
    assert "planned 2026-01-01 00:00:00 UTC" in text
    text = page(committed(1), reused=True)
    assert "1 partition, 1 of them reused from earlier runs. No row was skipped or put into quarantine." in text


def test_drift_over_what_the_audit_allowed_is_marked_and_said(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, [(n, 90 + n, n % 5, 1) for n in range(40)])
    data.add(2, good_rows(200))
    manifests = [manifest for manifest, _ in data.score(1, 2)]
    published = Published(target_of(Location("x")), 2, 0, Changes())
    check = Check("drift (PSI)", "3.1 of a, p=1", "5", None)
    for passed, sentence in (
        (None, "over 0.25, it is worth a look; the audit set no limit."),
        (KeptVerdict([check], 5.0), "the audit allowed 5."),
        (KeptVerdict([], 1000.0), "the audit allowed 1000."),
    ):
        summary = summarise(manifests, published, run=ScoringRun("d", "r"), reused={}, passed=passed)
        text = render(summary, manifests)
        assert sentence in text
        marks = "▲" in text.partition("<tbody>")[2]
        assert marks == (passed is None or (passed.max_drift or 0) < max(p.drift or 0 for p in summary.partitions))
        assert ("3.1 of a, p=1" in text) == bool(passed and passed.checks)


def test_the_page_shows_why_rows_are_in_quarantine_and_some_of_them(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, [*good_rows(50), (99, "<i>x", 1, 1)])
    manifests = [manifest for manifest, _ in data.score(1)]
    published = Published(target_of(Location("x")), 1, 0, Changes())
    text = render(summarise(manifests, published, run=ScoringRun("d", "r"), reused={}), manifests)
    assert "<code>ParseError</code>" in text
    assert "block 0, row 50" in text
    assert "<code>&lt;i&gt;x</code>" in text
    assert "i" not in _Page(text).tags


def test_headings_tables_and_pictures_have_names(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, [*good_rows(50), (99, "x", 1, 1)])
    data.add(2, good_rows(60))
    manifests = [manifest for manifest, _ in data.score(1, 2)]
    published = Published(target_of(Location("/out.parquet")), 2, 0, Changes())
    page = _Page(render(summarise(manifests, published, run=ScoringRun("d", "r"), reused={}), manifests))
    levels = [int(tag[1]) for tag in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    assert page.tags.count("table") == page.tags.count("caption") == 4
    assert page.unnamed == []


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


def test_features_stand_beside_the_training_data_with_what_is_unlike_it(tmp_path: Path) -> None:
    manifests = scored_shop(tmp_path)
    published = Published(target_of(Location("x")), 2, 0, Changes())
    summary = summarise(manifests, published, run=ScoringRun("d", "r"), reused={})
    text = " ".join(render(summary, manifests).split())
    table = text.partition("<h2>Features against the training data</h2>")[2].partition("</table>")[0]
    assert table.index("<code>price</code>") < table.index("<code>channel</code>")
    assert "&#39;fax&#39;" in table
    assert 'day=2 <span class="soft">' in table
    assert "±" in table
    assert "here as good as 2,000 rows drawn by chance: a share of one half is known to ±2.2 points" in text
    assert "Unknown" not in text
    facts = json.loads(json.dumps(summary.to_dict()))
    assert facts["partitions"][1]["features"]["channel"]["unseen"] == pytest.approx(0.098)
    assert [row["feature"] for row in facts["features"]] == ["price", "channel"]
    blocks = [[replace(block, beyond=None) for block in manifest.blocks] for manifest in manifests]
    old = [replace(manifest, blocks=each) for manifest, each in zip(manifests, blocks, strict=True)]
    text = " ".join(render(summarise(old, published, run=ScoringRun("d", "r"), reused={}), old).split())
    assert "unknown</td>" in text
    assert "Unknown: the model or the scores were made by an earlier version" in text
