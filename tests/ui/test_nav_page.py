"""The page "Batch scoring" of Airflow's menu: runs, models and data sets, with what files and Airflow say of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from browser import Seat
from conftest import House
from playwright.sync_api import Locator, Page, expect
from runs import explain
from stored import manifests

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

DAG = "wta_batch_scoring"
PAGE = "/plugin/batchscore"


@dataclass(frozen=True)
class History:
    """Three runs: with a model of 2014; with one of 2015, which failed on a year; with that one again."""

    house: House
    runs: tuple[str, str, str]
    old: str
    new: str

    def model(self, version: str) -> Any:
        """What ``model.json`` says."""
        return json.loads((self.house.home / "models" / "wta" / version / "model.json").read_text())

    def alias(self) -> Any:
        """What the file of ``@champion`` says."""
        return json.loads((self.house.home / "models" / "wta" / "aliases" / "champion.json").read_text())


def _run(house: House, years: str, train_year: int, ends: str = "success") -> str:
    run_id = house.stack.trigger(DAG, {"years": years, "train_year": train_year})
    assert house.stack.wait_for_run(DAG, run_id, 300) == ends, explain(house.stack, DAG, run_id)
    return run_id


@pytest.fixture(scope="module")
def history(house: House) -> History:
    house.stack.wait_for_dag(DAG)
    first = _run(house, "2013..2015", 2014)
    file = house.matches / "wta_matches_2001.csv"
    whole = file.read_text()
    file.write_text(whole.replace("winner_rank_points", "winner_points", 1))
    failed = _run(house, "2001, 2014", 2015, "failed")
    file.write_text(whole)
    last = _run(house, "2015", 2015)
    admin = house.seats["admin"].person
    old, new = (manifests(admin, DAG, run_id)["year=2015"]["model"]["version"] for run_id in (first, last))
    return History(house, (first, failed, last), old, new)


def _rows(page: Page, table: str) -> list[Locator]:
    found = page.get_by_role("table", name=table).locator("tbody tr")
    found.first.wait_for()
    return found.all()


def _cells(row: Locator) -> list[str]:
    return row.locator("td").all_inner_texts()


def _confirmed(page: Page, label: str) -> None:
    """Press a button that asks first, and confirm."""
    page.get_by_role("button", name=label, exact=True).click()
    dialog = page.get_by_role("alertdialog")
    dialog.get_by_role("button", name=label, exact=True).click()


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_menu_leads_to_the_runs_newest_first_with_the_numbers_of_their_manifests(history: History) -> None:
    seat = history.house.seats["viewer"]
    with seat.at("/") as page:
        page.get_by_role("button", name="Browse").click()
        page.get_by_role("menuitem", name="Batch scoring").click()
        page.get_by_role("heading", name="Batch scoring").wait_for()
        shown = {row.locator("p").inner_text(): row for row in _rows(page, "Scoring runs")}
        assert list(shown)[:3] == list(history.runs[::-1]), "newest first"
        for run_id, state in zip(history.runs, ("success", "failed", "success"), strict=True):
            _, badge, _, _, model, partitions, rows, _, skipped, quarantined, _ = _cells(shown[run_id])
            accounts = [each["account"] for each in manifests(seat.person, DAG, run_id).values()]
            assert state in badge
            assert model == (history.old if run_id == history.runs[0] else history.new)
            told = [_number(text) for text in (partitions, rows, skipped, quarantined)]
            sums = [sum(each[f"rows_{what}"] for each in accounts) for what in ("read", "skipped", "quarantined")]
            assert told == [len(accounts), *sums]
        shown[history.runs[1]].get_by_role("link").click()
        expect(page.locator("h1[aria-live]")).to_contain_text("year=2001 failed")


def test_filters_and_pages_stand_in_the_address(history: History) -> None:
    stack, seat = history.house.stack, history.house.seats["viewer"]
    stack.wait_for_dag("seen_pipeline")
    stack.patch("/api/v2/dags/seen_pipeline", {"is_paused": True})
    waiting = [
        stack.post("/api/v2/dags/seen_pipeline/dagRuns", {"conf": {}, "logical_date": None})["dag_run_id"]
        for _ in range(26)
    ]
    with seat.at(PAGE) as page:
        page.get_by_label("DAG", exact=True).select_option("seen_pipeline")
        page.get_by_label("State", exact=True).select_option("queued")
        expect(page.get_by_text("26 runs, page 1 of 2")).to_be_visible()
        assert len(_rows(page, "Scoring runs")) == 25
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text("26 runs, page 2 of 2")).to_be_visible()
        assert [row.locator("p").inner_text() for row in _rows(page, "Scoring runs")] == waiting[:1], "the oldest"
        assert parse_qs(urlsplit(page.url).query) == {"dag_id": ["seen_pipeline"], "state": ["queued"], "page": ["2"]}
        page.reload()
        expect(page.get_by_text("26 runs, page 2 of 2")).to_be_visible()
        page.get_by_label("State", exact=True).select_option("failed")
        expect(page.get_by_text("No run matches.")).to_be_visible()
        assert "page" not in parse_qs(urlsplit(page.url).query), "another filter begins with its first page"
        page.go_back()
        expect(page.get_by_text("26 runs, page 2 of 2")).to_be_visible()
    for run_id in waiting:
        history.house.seats["admin"].person.must("DELETE", f"/api/v2/dags/seen_pipeline/dagRuns/{run_id}")


def _versions(page: Page) -> dict[str, Locator]:
    return {row.locator("td").nth(1).inner_text().split()[0]: row for row in _rows(page, "Versions")}


def test_versions_are_shown_compared_and_promoted_as_their_files_say(history: History) -> None:
    with history.house.seats["admin"].at(f"{PAGE}?tab=models") as page:
        page.get_by_label("Model", exact=True).select_option(f"{history.house.home}/models/wta")
        page.get_by_role("img", name=re.compile("accuracy, roc_auc")).wait_for()
        shown = _versions(page)
        for version in (history.old, history.new):
            _, _, _, metrics, trained, rows, runs, _ = _cells(shown[version])
            model = history.model(version)
            values = ", ".join(f"{name} {value:.4g}" for name, value in model["metrics"].items())
            assert metrics == f"{values} on {model['metrics_on']}"
            assert trained == model["training"]["partitions"][0]
            assert _number(rows) == model["training"]["rows_trained"]
            assert runs
        for version in set(shown) - {history.old, history.new}:
            shown[version].get_by_role("checkbox").uncheck()
        for version in (history.old, history.new):
            shown[version].get_by_role("checkbox").check()
        # Another test may have trained the one that is promoted here before the other: the elder stands first.
        pair = sorted((history.old, history.new), key=lambda version: str(history.model(version)["created"]))
        beside = {_cells(row)[0]: _cells(row)[1:] for row in _rows(page, " and ".join(pair))}
        trained = [history.model(version)["training"] for version in pair]
        assert beside["trained on"] == [*(training["partitions"][0] for training in trained), "differs"]
        counts = [training["rows_trained"] for training in trained]
        told = [_number(text) for text in beside["rows trained"]]
        assert told == [*counts, counts[1] - counts[0]]
        assert history.alias()["version"] == history.new

        aliases = page.locator("section").filter(has_text="Aliases")
        _confirmed(page, "Promote to @champion")
        expect(aliases.get_by_text(f"names version {history.old}")).to_be_visible()
        assert history.alias()["version"] == history.old
        assert history.alias()["moves"][-1]["by"] == "a-admin"
        expect(aliases.get_by_text(re.compile(f"to {history.old} by a-admin"))).to_be_visible()
        _confirmed(page, f"Roll back to {history.new}")
        expect(aliases.get_by_text(f"names version {history.new}")).to_be_visible()
        assert history.alias()["version"] == history.new
    log = history.house.stack.get("/api/v2/eventLogs?event=batchscore_promote&order_by=-id&limit=2")["event_logs"]
    assert [(entry["dag_id"], entry["owner"]) for entry in log] == [(DAG, "a-admin")] * 2
    assert [json.loads(entry["extra"])["version"] for entry in log] == [history.new, history.old]


def test_a_viewer_sees_models_and_cannot_move_their_aliases(history: History) -> None:
    with history.house.seats["viewer"].at(f"{PAGE}?tab=models&model={history.house.home}/models/wta") as page:
        assert {history.old, history.new} <= _versions(page).keys()
        expect(page.get_by_text(f"names version {history.new}")).to_be_visible()
        assert page.get_by_role("button", name=re.compile("Promote|Roll back")).count() == 0


def _grid(page: Page) -> dict[str, Locator]:
    return {row.locator("td").first.inner_text(): row for row in _rows(page, "Partitions and runs")}


def test_a_data_set_tells_which_partitions_are_fresh_stale_and_missing(history: History) -> None:
    seat: Seat = history.house.seats["viewer"]
    first, failed, last = history.runs
    with seat.at(f"{PAGE}?tab=datasets") as page:
        page.get_by_label("Data set", exact=True).select_option(f"{history.house.matches}/wta_matches_{{year}}.csv")
        page.get_by_role("cell", name="year=2001", exact=True).wait_for()
        rows = _grid(page)
        told = {key: rows[f"year={key}"].locator("td").nth(1).inner_text() for key in (2001, 2013, 2014, 2015)}
        for year, words in {
            2001: (f"Run {failed} failed on it",),  # another test may have scored it before
            2013: ("scored with another version", first, history.old, history.new),
            2014: ("scored with the newest version", failed, history.new),
            2015: ("scored with the newest version", last, history.new),
        }.items():
            assert all(word in told[year] for word in words), told[year]
        heads = page.get_by_role("columnheader").all_inner_texts()
        assert len(set(heads)) == len(heads), "runs of one day differ by their times"
        cells = [
            [cell.get_attribute("aria-label") or "" for cell in rows[f"year={year}"].get_by_role("link").all()][-3:]
            for year in (2001, 2015)
        ]
        assert re.search("failed$", cells[0][-1])
        assert re.search(f"scored with {history.old}$", cells[1][-2])
        assert re.search(f"scored with {history.new}$", cells[1][-1])
        page.get_by_label("Show", exact=True).select_option("stale")
        expect(page.get_by_role("cell", name="year=2015", exact=True)).to_be_hidden()
        _grid(page)["year=2013"].get_by_role("link").last.click()
        expect(page.locator("h1[aria-live]")).to_have_text("All 3 partitions are scored and published.")
