"""FAB on PostgreSQL: people whose role shows them no tabs reach the page by the task's link; others are told so."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from browser import Seat, own_page, run_tab
from celery_airflow import PostgreSQL
from fab_airflow import ROLES, FabAirflow
from people import Person, Run
from places import WTA_DAG, Place, environment, honest_run, security_dags
from playwright.sync_api import Browser, expect
from run_page import headline, partition_rows
from stack import free_port
from support import Wta

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

SCORED = "All 2 partitions are scored and published."
THIS, OTHER = ROLES[-2:]


@dataclass(frozen=True)
class Fab:
    """The Airflow, a run that went well, and its people in front of their browsers."""

    seats: dict[str, Seat]
    run: Run
    nobody: Seat


@pytest.fixture(scope="module")
def fab(matches: Wta, chrome: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fab]:
    folder = tmp_path_factory.mktemp("fab")
    extra = environment(folder, matches.folder)
    with (
        PostgreSQL(secrets.token_hex(16), free_port(), "airflow") as database,
        FabAirflow(folder, security_dags(folder / "dags"), database, extra) as airflow,
    ):
        place = Place(airflow.stack, airflow.people(), folder / "data")
        run = honest_run(place)
        seats = {role: Seat(chrome, person) for role, person in place.people.items()}
        yield Fab(seats, run, Seat(chrome, Person(airflow.stack, None)))


def _task(run: Run, task_id: str) -> str:
    mapped = "/mapped/0" if task_id == "score" else ""
    return f"/dags/{run.dag_id}/runs/{quote(run.run_id, safe='')}/tasks/{task_id}{mapped}/details"


@pytest.mark.parametrize("role", ["Viewer", "User", THIS])
def test_who_sees_no_tab_follows_the_tasks_link_to_the_same_page(fab: Fab, role: str) -> None:
    with fab.seats[role].at(_task(fab.run, "check_scores")) as page:
        link = page.get_by_role("link", name="Batch scoring", exact=True)
        link.wait_for()
        assert page.get_by_role("link", name="Scoring", exact=True).count() == 0, "no tab"
        page.goto(str(link.evaluate("link => link.href")))
        expect(headline(page)).to_have_text(SCORED)
        assert partition_rows(page).keys() == {"year=2014", "year=2015"}
        page.get_by_role("button", name="year=2014", exact=True).click()
        panel = page.get_by_role("dialog")
        panel.wait_for()
        assert panel.get_by_role("button", name="Score again").count() == (1 if role == "User" else 0)
        panel.get_by_role("button", name="Close").click()
        page.get_by_role("link", name="Back to Airflow's page of this run").click()
        page.wait_for_url(re.compile(f"/dags/{WTA_DAG}/runs/"))
    with fab.seats[role].at(_task(fab.run, "score")) as page:
        link = page.get_by_role("link", name="Batch scoring", exact=True)
        link.wait_for()
        page.goto(str(link.evaluate("link => link.href")))
        expect(headline(page)).to_contain_text("is scored")


def test_a_user_does_what_the_buttons_offer(fab: Fab) -> None:
    seat = fab.seats["User"]
    with seat.at(own_page(fab.run.dag_id, fab.run.run_id)) as page:
        page.get_by_role("button", name="year=2014", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Score again").click()
        dialog = page.get_by_role("alertdialog")
        with page.expect_response(lambda answer: "clearTaskInstances" in answer.url) as sent:
            dialog.get_by_role("button", name="Score again").click()
        assert sent.value.status == 200
    assert seat.person.stack.wait_for_run(fab.run.dag_id, fab.run.run_id, 300) == "success"


@pytest.mark.parametrize("role", ["Op", "Admin"])
def test_who_sees_plugins_has_the_tabs_and_the_menu(fab: Fab, role: str) -> None:
    with fab.seats[role].at(f"/dags/{fab.run.dag_id}/runs/{quote(fab.run.run_id, safe='')}") as page:
        page.get_by_role("link", name="Scoring", exact=True).click()
        expect(headline(page)).to_have_text(SCORED)
        page.get_by_role("button", name="Browse").click()
        page.get_by_role("menuitem", name="Batch scoring").click()
        expect(page.get_by_role("table", name="Scoring runs")).to_contain_text(fab.run.run_id)


def test_who_sees_another_dag_alone_may_not_see_the_run_and_gets_empty_lists(fab: Fab) -> None:
    seat = fab.seats[OTHER]
    with seat.at(own_page(fab.run.dag_id, fab.run.run_id)) as page:
        expect(page.get_by_text("You may not see this")).to_be_visible()
        assert fab.run.run_id not in page.locator("body").inner_text()
    assert seat.person.must("GET", "/batchscore/api/runs")["runs"] == []
    assert seat.person.must("GET", "/batchscore/api/models")["models"] == []
    assert seat.person.must("GET", "/batchscore/api/datasets")["datasets"] == []


def test_who_is_not_logged_in_logs_in_first_and_comes_back_to_the_page(fab: Fab) -> None:
    stack = fab.nobody.person.stack
    with fab.nobody.at(own_page(fab.run.dag_id, fab.run.run_id)) as page:
        page.locator("input[name=username]").fill("Admin")
        page.locator("input[name=password]").fill(stack.admin_password)  # type: ignore[attr-defined]
        page.locator("[type=submit]").click()
        expect(headline(page)).to_have_text(SCORED)
    with fab.nobody.at(run_tab(fab.run.dag_id, fab.run.run_id)) as page:
        page.locator("input[name=username]").wait_for()
