"""A thousand scoring tasks, and ten thousand partitions in packs: everything of them is found and opened."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from browser import own_page, run_tab
from conftest import House, large_run
from playwright.sync_api import Locator, Page, Response, expect
from run_page import headline, partition_rows

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

DAG = "small_pipeline"  # paused: the scheduler leaves its runs as they are


@dataclass(frozen=True)
class Large:
    """A run in the house's database. One task failed, some wait, some are at work."""

    run_id: str
    tasks: int
    pack: int

    @property
    def partitions(self) -> int:
        return self.tasks * self.pack


@pytest.fixture(scope="module")
def tasks(house: House, tmp_path_factory: pytest.TempPathFactory) -> Large:
    return Large(large_run(house, tmp_path_factory.mktemp("tasks"), 1000), 1000, 1)


@pytest.fixture(scope="module")
def packs(house: House, tmp_path_factory: pytest.TempPathFactory) -> Large:
    return Large(large_run(house, tmp_path_factory.mktemp("packs"), 100, 100), 100, 100)


def _is_view(answer: Response) -> bool:
    return "/batchscore/api/run/" in answer.url and answer.url.count("/") == 7


@contextmanager
def _opened(house: House, run: Large, path: str) -> Iterator[Page]:
    """The page of a run once it can be used. Prints how long that took (``pytest -s``)."""
    with house.seats["viewer"].at("/static/pin_32.png") as page:  # the browser's own start does not count
        views: list[Response] = []
        page.on("response", lambda answer: views.append(answer) if _is_view(answer) else None)
        for visit in ("first", "second"):
            views.clear()
            began = time.perf_counter()
            page.goto(f"{house.stack.url}{path}")
            headline(page).wait_for()
            _grid(page).wait_for()
            took = time.perf_counter() - began
            timing = views[0].request.timing
            answered = (timing["responseEnd"] - timing["requestStart"]) / 1000
            what = f"{run.tasks:,} tasks, {run.partitions:,} partitions, {path.split('/')[1]}, {visit} visit"
            print(f"{what}: answer {answered:.3f} s, usable after {took:.3f} s")
        yield page


def _grid(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("^Grid of"))


def _polled(page: Page, times: int) -> None:
    """Wait until the page has asked again, and shows the answer."""
    for _ in range(times):
        with page.expect_response(_is_view):
            pass
    page.wait_for_timeout(300)


def _found(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Pages of partitions")


@pytest.mark.parametrize("in_airflow", [True, False])
def test_a_thousand_tasks_are_sorted_filtered_and_paged(house: House, tasks: Large, in_airflow: bool) -> None:
    path = (run_tab if in_airflow else own_page)(DAG, tasks.run_id)
    with _opened(house, tasks, path) as page:
        expect(headline(page)).to_have_text(re.compile(r"^989 of 1,000 partitions are scored.* p=17 failed"))
        expect(_grid(page)).to_have_accessible_name(re.compile("^Grid of 1,000 partitions"))
        assert next(iter(partition_rows(page))) == "p=17", "what failed comes first"
        expect(_found(page)).to_contain_text("1,000 partitions, page 1 of 40")
        page.get_by_role("columnheader", name="Partition").get_by_role("button").click()
        assert [*partition_rows(page)][:3] == ["p=0", "p=1", "p=2"]
        page.get_by_role("columnheader", name="Partition").get_by_role("button").click()
        assert [*partition_rows(page)][:3] == ["p=999", "p=998", "p=997"]
        _found(page).get_by_role("button", name="Next").click()
        assert next(iter(partition_rows(page))) == "p=974"
        page.get_by_label("Find partitions").fill("p=99")
        expect(_found(page)).to_contain_text("11 partitions")
        page.get_by_label("State").select_option(label="running")
        expect(_found(page)).to_contain_text("4 partitions")
        assert sorted(partition_rows(page)) == ["p=990", "p=991", "p=992", "p=993"]


def test_keys_move_over_ten_thousand_cells_and_open_one(house: House, packs: Large) -> None:
    with _opened(house, packs, run_tab(DAG, packs.run_id)) as page:
        expect(_grid(page)).to_have_accessible_name(re.compile("^Grid of 10,000 partitions"))
        _grid(page).focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
            page.keyboard.press(key)
        expect(page.get_by_text(re.compile("^p=1: scored"))).to_be_visible()
        page.keyboard.press("Enter")
        panel = page.get_by_role("dialog", name="p=1")
        expect(panel).to_contain_text("This task scores 100 partitions in a pack.")
        expect(panel.locator(":focus")).to_have_count(1)
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        expect(_grid(page)).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog", name="p=9999")).to_be_visible()


def test_a_click_on_a_cell_opens_its_partition(house: House, packs: Large) -> None:
    with _opened(house, packs, run_tab(DAG, packs.run_id)) as page:
        _grid(page).hover(position={"x": 3, "y": 3})
        expect(page.get_by_text(re.compile("^p=0: scored"))).to_be_visible()
        _grid(page).click(position={"x": 3, "y": 3})
        expect(page.get_by_role("dialog", name="p=0")).to_be_visible()


def test_a_poll_takes_nothing_from_who_types_chooses_or_reads(house: House, packs: Large) -> None:
    with _opened(house, packs, run_tab(DAG, packs.run_id)) as page:
        find = page.get_by_label("Find partitions")
        find.press_sequentially("p=12")
        page.get_by_label("State").select_option(label="scored")
        page.get_by_role("columnheader", name="Partition").get_by_role("button").click()
        _found(page).get_by_role("button", name="Next").click()
        shown = [*partition_rows(page)]
        find.focus()
        _polled(page, 2)
        expect(find).to_be_focused()
        expect(find).to_have_value("p=12")
        expect(page.get_by_label("State")).to_have_value("scored")
        expect(_found(page)).to_contain_text("page 2 of 5")
        assert [*partition_rows(page)] == shown
        page.get_by_role("button", name=shown[3], exact=True).click()
        panel = page.get_by_role("dialog", name=shown[3])
        close = panel.get_by_role("button", name="Close")
        close.focus()
        _polled(page, 2)
        expect(panel).to_be_visible()
        expect(close).to_be_focused()
