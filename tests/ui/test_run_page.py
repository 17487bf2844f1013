"""The tab "Scoring" of a run: seen while it works, with the manifests' numbers, and what failed can be fixed."""

from __future__ import annotations

import os
import re
import signal
import urllib.parse
from pathlib import Path

import pytest
from browser import Seat
from conftest import House
from playwright.sync_api import Page, expect
from run_page import RUN_MS, do, expect_headline, facts, headline, partition_rows, scoring_tab
from runs import trigger_in
from stored import manifests
from support import good_rows, wait_for, write_csv

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

DAG = "wta_batch_scoring"


def _triggered(page: Page, years: str) -> str:
    """Trigger a run by the form, with a model that no other test has scored with; returns its id."""
    page.get_by_role("button", name="Trigger Dag", exact=True).click()
    page.locator("#element_years").fill(years)
    page.locator("input[name='element_train_year']").fill("2010")
    with page.expect_response(
        lambda answer: answer.request.method == "POST" and answer.url.endswith("/dagRuns")
    ) as sent:
        page.get_by_role("button", name="Trigger", exact=True).last.click()
    run_id: str = sent.value.json()["dag_run_id"]
    return run_id


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def test_a_run_triggered_in_the_form_is_seen_while_it_works_and_its_numbers_are_the_manifests(house: House) -> None:
    house.stack.unpause(DAG)
    seat = house.seats["user"]
    with seat.at(f"/dags/{DAG}") as page:
        run_id = _triggered(page, "2000..2016")
    with scoring_tab(seat, DAG, run_id) as page:
        bar = page.get_by_role("progressbar", name="Data scored")
        bar.wait_for(timeout=RUN_MS)
        seen = set()

        def is_over() -> bool:
            seen.add(bar.get_attribute("aria-valuenow"))
            return (headline(page).text_content() or "").startswith("All")

        wait_for(is_over, RUN_MS / 1000)
        expect_headline(page, "All 17 partitions are scored and published.")
        assert len(seen) >= 2, f"the bar stood at {seen}, and then the run was over"
        shown, stored = partition_rows(page), manifests(house.seats["admin"].person, DAG, run_id)
        assert shown.keys() == stored.keys() == {f"year={year}" for year in range(2000, 2017)}
        for key, (_state, read, scored, skipped, quarantined, blocks, *_) in shown.items():
            account = stored[key]["account"]
            told = [_number(text) for text in (read, scored, skipped, quarantined)]
            assert told == [account[f"rows_{what}"] for what in ("read", "scored", "skipped", "quarantined")]
            assert blocks == f"{len(stored[key]['blocks'])} of {len(stored[key]['blocks'])}"
        page.get_by_role("button", name="year=2012", exact=True).click()
        panel = page.get_by_role("dialog")
        told = facts(panel)
        account = stored["year=2012"]["account"]
        assert _number(told["Rows read"]) == account["rows_read"]
        assert _number(told["Scored"]) == account["rows_scored"]
        assert told["Model"] == stored["year=2012"]["model"]["version"]


def _broken(house: House, year: int) -> str:
    """Rename a column that the recipe needs in the file of a year; returns what was in it."""
    file = house.matches / f"wta_matches_{year}.csv"
    whole = file.read_text()
    file.write_text(whole.replace("winner_rank_points", "winner_points", 1))
    return whole


def test_who_sees_a_failed_partition_learns_why_and_goes_on_once_it_is_fixed(house: House) -> None:
    whole = _broken(house, 2009)
    house.stack.unpause(DAG)
    run_id = house.stack.trigger(DAG, {"years": "2008..2010", "force": True})
    with scoring_tab(house.seats["user"], DAG, run_id) as page:
        expect_headline(page, "2 of 3 partitions are scored, year=2009 failed; nothing was published.")
        why = page.get_by_text("Why:").locator("..")
        expect(why).to_contain_text("winner_rank_points")
        expect(why).to_contain_text("wta_matches_2009.csv")
        assert partition_rows(page)["year=2009"][0] == "failed", "the worst comes first"
        (house.matches / "wta_matches_2009.csv").write_text(whole)
        assert "again: " in do(page, "Go on")
        expect_headline(page, "All 3 partitions are scored and published.")
        before = manifests(house.seats["admin"].person, DAG, run_id)
        page.get_by_role("button", name="year=2010", exact=True).click()
        do(page, "Score again")
        expect(headline(page)).not_to_have_text("All 3 partitions are scored and published.", timeout=RUN_MS)
        expect_headline(page, "All 3 partitions are scored and published.")
    after = manifests(house.seats["admin"].person, DAG, run_id)
    again = {key for key in after if after[key]["uri"] != before[key]["uri"]}
    assert again == {"year=2010"}


def test_a_viewer_sees_the_same_and_is_told_whom_to_ask(house: House) -> None:
    whole = _broken(house, 2007)
    house.stack.unpause(DAG)
    run_id = house.stack.trigger(DAG, {"years": "2007"})
    with scoring_tab(house.seats["viewer"], DAG, run_id) as page:
        expect_headline(page, "The partition is not scored, year=2007 failed; nothing was published.")
        expect(page.get_by_text("ask somebody who may clear tasks of this DAG")).to_be_visible()
        assert page.get_by_role("button", name="Go on").count() == 0
    (house.matches / "wta_matches_2007.csv").write_text(whole)


def test_a_killed_task_keeps_its_partitions_name_and_its_blocks(
    house: House, marks: Path, hold: Path, tmp_path: Path
) -> None:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    write_csv(tmp_path / "part_1.csv", good_rows(600, 1000))
    house.stack.wait_for_dag("watched_pipeline")
    run_id = trigger_in(house.stack, tmp_path, "watched_pipeline", {"partitions": [1]})
    wait_for(lambda: len(list(marks.iterdir())) >= 10, 180)
    with scoring_tab(house.seats["user"], "watched_pipeline", run_id) as page:
        expect_headline(page, re.compile("The partition is not scored yet"))
        wait_for(lambda: re.search(r"^[1-9]\d* of ", partition_rows(page)["p=1"][5]), 60)
        os.kill(int(next(marks.iterdir()).name.split("-")[0]), signal.SIGKILL)
        expect_headline(page, re.compile("p=1 failed; nothing was published"))
        expect(page.get_by_text("Why:").locator("..")).to_contain_text("killed")
        hold.unlink()
        do(page, "Go on")
        expect_headline(page, "The partition is scored and published.")
        done, _, blocks = partition_rows(page)["p=1"][5].partition(" of ")
        assert done == blocks


def test_another_dag_says_in_one_line_that_there_is_nothing(house: House) -> None:
    house.stack.wait_for_dag("plain_dag")
    run_id = house.stack.trigger("plain_dag", {})
    seat: Seat = house.seats["viewer"]
    with seat.at(f"/dags/plain_dag/runs/{urllib.parse.quote(run_id)}/plugin/batchscore-run") as page:
        expect(page.get_by_text("Nothing to show: this DAG has no batch scoring tasks.")).to_be_visible()
