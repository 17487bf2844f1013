"""The tab "Scoring" of a task, and the link "Batch scoring" beside it: while it works, after it, on gates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from browser import Seat
from conftest import House
from playwright.sync_api import Page, expect
from run_page import RUN_MS, expect_headline, facts, headline
from runs import trigger_in
from stored import extra_links, manifests
from support import good_rows, wait_for, write_csv

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

DAG = "watched_pipeline"


def _task(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    mapped = "" if map_index < 0 else f"/mapped/{map_index}"
    return f"/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/{task_id}{mapped}"


@contextmanager
def _tab(seat: Seat, *task: str | int) -> Iterator[Page]:
    """The tab of a task, once it shows something."""
    with seat.at(f"{_task(*task)}/plugin/batchscore-task") as page:  # type: ignore[arg-type]
        headline(page).wait_for()
        yield page


def _follow_link(seat: Seat, *task: str | int) -> None:
    """From a task's details in Airflow to the page of the link, which shows something."""
    with seat.at(f"{_task(*task)}/details") as page:  # type: ignore[arg-type]
        link = page.get_by_role("link", name="Batch scoring", exact=True)
        link.wait_for()
        page.goto(str(link.evaluate("link => link.href")))
        headline(page).wait_for()
        expect(page.get_by_role("link", name="Back to Airflow's page of this run")).to_be_visible()


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def test_a_scoring_task_tells_its_blocks_while_it_works_and_when_it_has_ended(
    house: House, marks: Path, hold: Path, tmp_path: Path
) -> None:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    rows = good_rows(600, 1000)
    rows[5] = (1005, "no number", 1, 1)  # type: ignore[assignment]
    write_csv(tmp_path / "part_1.csv", rows)
    house.stack.wait_for_dag(DAG)
    run_id = trigger_in(house.stack, tmp_path, DAG, {"partitions": [1], "max_quarantined": 10})
    wait_for(lambda: len(list(marks.iterdir())) >= 10, 180)
    seat = house.seats["viewer"]
    with _tab(seat, DAG, run_id, "score", 0) as page:
        bar = page.get_by_role("progressbar", name="Blocks scored")
        wait_for(lambda: 0 < int(bar.get_attribute("aria-valuenow") or 0) < 100, 60)
        expect_headline(page, re.compile(r"^p=1: \d+ of \d+ blocks scored.*1 row in quarantine so far"))
        told = facts(page)
        assert 0 < _number(told["Rows read"]) < 600
        assert told["In quarantine"] == "1"
        assert re.fullmatch(r"[\d.]+ [MG]B", told["Memory"])
        assert told["Engine"].startswith("LocalDask")
        slowest = page.get_by_role("table", name="Slowest blocks").locator("tbody tr")
        expect(slowest.first).to_contain_text("p=1")
        assert 0 < slowest.count() <= 5

        link = extra_links(seat.person, DAG, run_id, "score", 0)["Batch scoring"]
        assert link == f"/batchscore/task/{DAG}/{quote(run_id, safe='')}/score?map_index=0"
        _follow_link(seat, DAG, run_id, "score", 0)
        assert extra_links(seat.person, DAG, run_id, "check_scores")["Batch scoring"], "before it has begun"

        hold.unlink()
        expect_headline(page, re.compile(r"^p=1: all \d+ blocks are scored; 1 row in quarantine\.$"))
        (manifest,) = manifests(seat.person, DAG, run_id).values()
        told, account = facts(page), manifest["account"]
        for name, what in {"Rows read": "read", "Scored": "scored", "In quarantine": "quarantined"}.items():
            assert _number(told[name]) == account[f"rows_{what}"]
        assert told["Model"] == manifest["model"]["version"]
        blocks = len(manifest["blocks"])
        expect(page.get_by_text(f"{blocks} of {blocks} blocks (100%)")).to_be_visible()
    assert house.stack.wait_for_run(DAG, run_id, 240) == "success"
    for task in (("score", 0), ("check_model", -1), ("check_scores", -1), ("publish", -1)):
        _follow_link(seat, DAG, run_id, *task)
    with _tab(seat, DAG, run_id, "check_scores") as page:
        quarantined = page.get_by_role("listitem").filter(has_text="rows in quarantine")
        expect(quarantined).to_contain_text("found 1 of 600, allowed 10. Passed.")


def test_a_gate_that_failed_tells_its_checks_in_words_and_what_did_not_run(house: House, tmp_path: Path) -> None:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    rows = [*good_rows(50, 1000), (2000, "no number", 1, 1), (2001, "none", 1, 1)]
    write_csv(tmp_path / "part_1.csv", rows)
    house.stack.wait_for_dag("seen_pipeline")
    run_id = trigger_in(house.stack, tmp_path, "seen_pipeline", {"partitions": [1], "max_quarantined": 0})
    assert house.stack.wait_for_run("seen_pipeline", run_id, 300) == "failed"
    with _tab(house.seats["user"], "seen_pipeline", run_id, "check_scores") as page:
        expect_headline(page, "check_scores failed.")
        quarantined = page.get_by_role("listitem").filter(has_text="rows in quarantine")
        expect(quarantined).to_contain_text("found 2 of 52, allowed 0. Not passed.")
        assert page.get_by_role("listitem").filter(has_text="Passed.").count() > 0, "the others passed"
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
    with _tab(house.seats["viewer"], "seen_pipeline", run_id, "check_scores") as page:
        expect(page.get_by_text("ask somebody who may clear tasks of this DAG")).to_be_visible()
        assert page.get_by_role("button", name="Go on").count() == 0
    with _tab(house.seats["user"], "seen_pipeline", run_id, "publish") as page:
        expect_headline(page, "publish did not run.")
        assert page.get_by_role("button", name="Go on").count() == 0, "it would wait for check_scores again"
        page.get_by_role("link", name="The whole run").click()
        expect(headline(page)).to_contain_text("the scores did not pass their check", timeout=RUN_MS)


def test_a_task_of_another_kind_says_that_it_does_not_score(house: House) -> None:
    house.stack.wait_for_dag("plain_dag")
    run_id = house.stack.trigger("plain_dag", {})
    assert house.stack.wait_for_run("plain_dag", run_id, 240) == "success"
    with house.seats["viewer"].at(f"{_task('plain_dag', run_id, 'nothing')}/plugin/batchscore-task") as page:
        expect(page.get_by_text("Nothing to show: this task does not score.")).to_be_visible()
    assert "Batch scoring" not in extra_links(house.seats["viewer"].person, "plain_dag", run_id, "nothing")
