"""The pages for everybody: with a screen reader, by keys alone, on a phone, in the dark, and who may not."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from browser import DESK, PHONE, overflow, own_page, run_tab, violations
from conftest import House, Seen, large_run
from playwright.sync_api import Page, expect
from run_page import expect_headline, headline

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

DAG = "wta_batch_scoring"
OURS = ".batchscore"
TABS = {"Runs": "runs", "Models": "models", "Data sets": "datasets"}


def _task_tab(run_id: str, index: int) -> str:
    return f"/dags/{DAG}/runs/{quote(run_id, safe='')}/tasks/score/mapped/{index}/plugin/batchscore-task"


def _own_task(run_id: str, index: int) -> str:
    return f"/batchscore/task/{DAG}/{quote(run_id, safe='')}/score?map_index={index}"


@pytest.fixture(scope="module")
def working(house: House, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that is at work, for as long as the tests look at it."""
    return large_run(house, tmp_path_factory.mktemp("working"), 40)


@pytest.fixture(params=[False, True], ids=["light", "dark"])
def dark(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def _is_dark(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.classList.contains('dark')"))


def test_the_pages_of_runs_have_no_barrier(house: House, seen: Seen, working: str, dark: bool) -> None:
    for path in (run_tab(DAG, seen.failed), run_tab(DAG, seen.good), run_tab("small_pipeline", working)):
        with house.seats["user"].at(path, dark=dark) as page:
            headline(page).wait_for()
            page.wait_for_timeout(1500)
            assert _is_dark(page) == dark
            assert violations(page, OURS) == [], path


def test_a_panel_and_a_dialog_have_no_barrier(house: House, seen: Seen, dark: bool) -> None:
    with house.seats["user"].at(run_tab(DAG, seen.failed), dark=dark) as page:
        page.get_by_role("button", name="Look at year=2009").click()
        panel = page.get_by_role("dialog", name="year=2009")
        expect(panel).to_contain_text("winner_rank_points")
        page.wait_for_timeout(800)  # it slides in
        assert violations(page, "[role=dialog]") == []
        panel.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alertdialog")).to_be_visible()
        page.wait_for_timeout(800)
        assert violations(page, "[role=alertdialog]") == []


def test_the_page_of_all_runs_has_no_barrier(house: House, seen: Seen, dark: bool) -> None:
    with house.seats["op"].at("/plugin/batchscore", dark=dark) as page:
        for name in TABS:
            page.get_by_role("tab", name=name).click()
            part = page.get_by_role("tabpanel", name=name)
            part.get_by_role("table").or_(part.get_by_role("button")).first.wait_for()
            page.wait_for_timeout(1000)
            assert violations(page, OURS) == [], name


def test_the_page_of_a_task_has_no_barrier(house: House, seen: Seen, dark: bool) -> None:
    for path in (_task_tab(seen.failed, 9), _task_tab(seen.good, 3)):
        with house.seats["user"].at(path, dark=dark) as page:
            page.locator(OURS).get_by_role("progressbar").wait_for()
            page.wait_for_timeout(500)
            assert violations(page, OURS) == [], path


def test_the_pages_outside_airflow_have_no_barrier_and_fit_on_a_phone(house: House, seen: Seen, dark: bool) -> None:
    for path in (own_page(DAG, seen.failed), own_page(DAG, seen.good), _own_task(seen.failed, 9)):
        for size in (PHONE, DESK):
            with house.seats["viewer"].at(path, size, dark=dark) as page:
                page.get_by_role("progressbar").wait_for()
                page.wait_for_timeout(1500)
                assert _is_dark(page) == dark
                assert overflow(page) <= 0, (path, size)
                assert violations(page) == [], (path, size)


@pytest.mark.parametrize("own", [True, False])
def test_airflows_own_choice_of_dark_counts_more_than_the_systems(house: House, seen: Seen, own: bool) -> None:
    chosen = {"origins": [{"origin": house.stack.url, "localStorage": [{"name": "theme", "value": "dark"}]}]}
    path = (own_page if own else run_tab)(DAG, seen.failed)
    with house.seats["viewer"].at(path, storage_state={"cookies": [], **chosen}) as page:
        headline(page).wait_for()
        assert _is_dark(page)


def test_what_does_not_exist_says_so(house: House, seen: Seen) -> None:
    missing = {own_page(DAG, "nowhere"): "there is no run nowhere", _own_task(seen.good, 99): "has no task score"}
    for path, words in missing.items():
        with house.seats["viewer"].at(path) as page:
            expect(page.get_by_text("This does not exist (any more)")).to_be_visible()
            expect(page.locator(OURS)).to_contain_text(words)
            assert violations(page) == []


def test_no_run_matches_a_filter_says_so(house: House, seen: Seen) -> None:
    with house.seats["viewer"].at("/plugin/batchscore?state=queued") as page:
        expect(page.get_by_text("No run matches.")).to_be_visible()
        page.get_by_label("State").select_option("failed")
        expect(page.get_by_role("table", name="Scoring runs")).to_contain_text(seen.failed)


def test_who_is_logged_out_or_lost_the_right_meanwhile_is_told(house: House, seen: Seen) -> None:
    with house.seats["user"].at(own_page(DAG, seen.failed)) as page:
        url, viewer = house.stack.url, house.seats["viewer"].person.token or ""
        page.get_by_role("button", name="Go on").click()
        page.context.add_cookies([{"name": "_token", "value": viewer, "url": url}])
        page.get_by_role("alertdialog").get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alertdialog")).to_contain_text("You may not do this")
        page.wait_for_timeout(500)
        assert violations(page, "[role=alertdialog]") == []
    with house.seats["viewer"].at("/plugin/batchscore?tab=runs") as page:
        page.get_by_role("table", name="Scoring runs").wait_for()
        page.context.clear_cookies()
        page.get_by_label("State").select_option("failed")
        expect(page.get_by_text("You are logged out")).to_be_visible()


def test_a_failed_run_goes_on_by_keys_alone(house: House) -> None:
    file: Path = house.matches / "wta_matches_2004.csv"
    whole = file.read_text()
    file.write_text(whole.replace("winner_rank_points", "winner_points", 1))
    house.stack.unpause(DAG)
    run_id = house.stack.trigger(DAG, {"years": "2004", "force": True})
    assert house.stack.wait_for_run(DAG, run_id, 400) == "failed"
    file.write_text(whole)
    with house.seats["user"].at(own_page(DAG, run_id)) as page:
        expect_headline(page, "The partition is not scored, year=2004 failed; nothing was published.")
        _tab_to(page, "Go on")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alertdialog")).to_be_visible()
        _tab_to(page, "Go on")
        page.keyboard.press("Enter")
        said = page.get_by_role("status").filter(has_text="again: score")
        expect(said.get_by_role("button", name="Dismiss")).to_be_focused()
        expect_headline(page, "The partition is scored and published.")
        page.keyboard.press("Enter")
        expect(said).to_be_hidden()


def _tab_to(page: Page, name: str, most: int = 12) -> None:
    """Press Tab until the focus, which can be seen, is on the button of this name."""
    focused = "document.activeElement.innerText"
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == name:
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    pytest.fail(f"{most} times Tab did not reach {name}; the focus is on {page.evaluate(focused)!r}")
