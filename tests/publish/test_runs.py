"""What a run leaves for people lies under the run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from publications import publish
from support import good_rows, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish import runs
from airflow_batchscore.publish.runs import leave_report, run_place, safe_name
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.summary import summarise
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    data = small(tmp_path_factory.mktemp("data"))
    data.add(1, good_rows(20))
    return [manifest for manifest, _ in data.score(1)]


def _leave(scored: list[Manifest], output: Path, generation: int, copy: Path | None = None) -> tuple[Path, Any]:
    published = publish(scored, output, generation)
    run = ScoringRun("d", f"manual__{generation}")
    summary = summarise(scored, published, run=run, reused={})
    copied = Location(str(copy)) if copy else None
    report = leave_report(scored, published, summary, "publish", copied)
    return Path(report.page.uri), json.loads(Path(report.facts.uri).read_text())


@pytest.mark.parametrize(("output", "folder"), [("out.parquet", "_runs/out.parquet"), ("out", "out/_runs")])
def test_each_run_has_a_report_of_its_own_and_latest_points_at_the_newest(
    scored: list[Manifest], tmp_path: Path, output: str, folder: str
) -> None:
    copy = tmp_path / "report.html"
    pages = {number: _leave(scored, tmp_path / output, number, copy)[0] for number in (1, 2)}
    assert pages[1] == tmp_path / folder / "d" / "manual__1" / "publish.report.html"
    assert "manual__1" in pages[1].read_text()
    assert "manual__2" in pages[2].read_text()
    latest = json.loads((tmp_path / folder / "latest.json").read_text())
    assert (latest["run_id"], latest["report"]) == ("manual__2", str(pages[2]))
    assert copy.read_text() == pages[2].read_text()


def test_a_report_that_comes_late_does_not_become_the_latest(scored: list[Manifest], tmp_path: Path) -> None:
    output, copy = tmp_path / "out.parquet", tmp_path / "report.html"
    _leave(scored, output, 2, copy)
    published = publish(scored, output, 2)
    published = replace(published, changes=replace(published.changes, generation=1))
    summary = summarise(scored, published, run=ScoringRun("d", "old"), reused={})
    report = leave_report(scored, published, summary, "publish", Location(str(copy)))
    assert "old" in Path(report.page.uri).read_text()
    assert json.loads((tmp_path / "_runs" / "out.parquet" / "latest.json").read_text())["run_id"] == "manual__2"
    assert "manual__2" in copy.read_text()


@pytest.mark.parametrize("when", ["before it copies", "while it copies"])
def test_a_run_that_is_slow_to_copy_its_report_does_not_replace_a_newer_one(
    scored: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    output, copy = tmp_path / "out.parquet", tmp_path / "report.html"
    at = (runs, "_point_at") if when == "before it copies" else (runs.storage, "read_bytes")
    step = getattr(*at)

    def overtaken(*args: Any) -> Any:
        done = step(*args)
        if when == "before it copies" or args[0].uri.endswith("publish.report.html"):
            monkeypatch.setattr(*at, step)
            _leave(scored, output, 2, copy)
        return done

    monkeypatch.setattr(*at, overtaken)
    _leave(scored, output, 1, copy)
    assert "manual__2" in copy.read_text()
    assert json.loads((tmp_path / "summary.json").read_text())["run"]["run_id"] == "manual__2"


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out"])
def test_an_output_may_be_a_name_alone(
    scored: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for generation in (1, 2):
        page, _ = _leave(scored, Path(name), generation)
        assert (tmp_path / page).exists()


def test_the_report_says_what_was_kept(scored: list[Manifest], tmp_path: Path) -> None:
    data = small(tmp_path / "more")
    data.add(2, good_rows(5))
    _leave([manifest for manifest, _ in data.score(2)], tmp_path / "out.parquet", 1)
    page, facts = _leave(scored, tmp_path / "out.parquet", 2)
    assert (facts["added"], facts["kept"]) == (["p=1"], ["p=2"])
    assert "<dt>Kept</dt><dd>1 partition: p=2" in page.read_text()


@pytest.mark.parametrize(
    ("output", "folder"),
    [
        ("/d/x.parquet", "/d/_runs/x.parquet"),
        ("s3://b/x.csv", "s3://b/_runs/x.csv"),
        ("s3://b/folder/", "s3://b/folder/_runs"),
    ],
)
def test_where_runs_lie(output: str, folder: str) -> None:
    run = ScoringRun("d/e", "manual__2026+0")
    runs_folder = target_of(Location(output, "conn")).runs
    assert runs_folder == Location(folder, "conn")
    report = run_place(runs_folder, run, "a.b", "report.html")
    assert report == Location(f"{folder}/d%2Fe/manual__2026%2B0/a.b.report.html", "conn")


def test_names_that_no_file_can_have_are_cut_and_stay_different() -> None:
    names = {safe_name("é" * 250), safe_name("é" * 251), safe_name(".."), safe_name("."), safe_name("a/b")}
    assert len(names) == 5
    assert all(len(name.encode()) <= 200 and "/" not in name for name in names)
    assert not names & {".", ".."}
