"""Airflow below a path of its server (``[api] base_url = http://host/team/airflow``): pages and links are below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from browser import Seat, own_page, run_tab
from people import Person
from places import WTA_DAG, environment, security_dags
from playwright.sync_api import Browser, expect
from run_page import headline
from stack import Stack
from stored import extra_links
from support import Wta, quick_airflow, running

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

PREFIX = "/team/airflow"
SCORED = "All 2 partitions are scored and published."


class BelowStack(Stack):
    """All that it serves is below the prefix."""

    @property
    def url(self) -> str:
        return f"{super().url}{PREFIX}"


@dataclass(frozen=True)
class Below:
    """An administrator of such an Airflow, somebody who is not logged in, and a run that went well."""

    admin: Seat
    nobody: Seat
    run_id: str
    home: Path


@pytest.fixture(scope="module")
def below(wta: Wta, chrome: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Below]:
    folder = tmp_path_factory.mktemp("below")
    dags = security_dags(folder / "dags")
    stack: Stack = quick_airflow(folder / "airflow", dags, environment(folder, wta.folder), BelowStack)
    with running(stack):
        stack.wait_for_dag(WTA_DAG)
        run_id = stack.trigger(WTA_DAG, {"years": [2014, 2015]})
        assert stack.wait_for_run(WTA_DAG, run_id, 300) == "success"
        yield Below(
            Seat(chrome, Person(stack, stack.token())), Seat(chrome, Person(stack, None)), run_id, folder / "data"
        )


def test_the_tab_and_the_menu_work_inside_airflow(below: Below) -> None:
    with below.admin.at(run_tab(WTA_DAG, below.run_id)) as page:
        expect(headline(page)).to_have_text(SCORED)
        page.get_by_role("button", name="year=2014", exact=True).click()
        page.get_by_role("dialog").get_by_role("link", name="Log").click()
        page.wait_for_url(f"**{PREFIX}/dags/**")
        page.get_by_role("button", name="Browse").click()
        page.get_by_role("menuitem", name="Batch scoring").click()
        page.get_by_role("link", name=WTA_DAG).click()
        expect(headline(page)).to_have_text(SCORED)
        assert page.url.startswith(f"{below.admin.person.stack.url}/dags/")


def test_the_own_page_its_links_and_the_report_are_below_the_prefix(below: Below) -> None:
    url = below.admin.person.stack.url
    with below.admin.at(own_page(WTA_DAG, below.run_id)) as page:
        expect(headline(page)).to_have_text(SCORED)
        hrefs = [str(link.evaluate("link => link.href")) for link in page.get_by_role("link").all()]
        assert all(href.startswith((f"{url}/", "https://")) for href in hrefs), hrefs
        page.goto(next(href for href in hrefs if "/report/" in href))
        expect(page.locator("h1").first).to_be_visible()
        assert "predictions.parquet" in page.locator("body").inner_text()


def test_the_extra_links_lead_to_the_own_pages(below: Below) -> None:
    run = f"{WTA_DAG}/{quote(below.run_id, safe='')}"
    person = below.admin.person
    assert extra_links(person, WTA_DAG, below.run_id, "score", 0) == {
        "Batch scoring": f"{PREFIX}/batchscore/task/{run}/score?map_index=0"
    }
    links = extra_links(person, WTA_DAG, below.run_id, "publish")
    assert links["Batch scoring"] == f"{PREFIX}/batchscore/run/{run}"
    assert links["Run report"].startswith(f"{PREFIX}/batchscore/report/{run}/publish")
    task = f"/dags/{WTA_DAG}/runs/{quote(below.run_id, safe='')}/tasks/score/mapped/0/details"
    with below.admin.at(task) as page:
        link = page.get_by_role("link", name="Batch scoring", exact=True)
        link.wait_for()
        page.goto(str(link.evaluate("link => link.href")))
        expect(headline(page)).to_contain_text("is scored")


def test_who_is_not_logged_in_comes_back_after_the_login(below: Below) -> None:
    stack = below.nobody.person.stack
    with below.nobody.at(own_page(WTA_DAG, below.run_id)) as page:
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill(stack.password)
        page.locator("[type=submit]").click()
        expect(headline(page)).to_have_text(SCORED)
