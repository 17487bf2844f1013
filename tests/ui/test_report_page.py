"""The run's report in a browser: on a phone, in the dark, on paper; and the form that starts a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from browser import DESK, PHONE, overflow, violations
from conftest import House, Seen
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

DAG = "wta_batch_scoring"
#: Tables that are wider than the page.
_WIDE = """[...document.querySelectorAll("table")]
    .filter((table) => table.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1)
    .map((table) => table.innerText.slice(0, 80))"""


@contextmanager
def _report(
    house: House, seen: Seen, size: tuple[int, int] = DESK, *, dark: bool = False, **options: Any
) -> Iterator[Page]:
    path = f"/batchscore/report/{DAG}/{quote(seen.good, safe='')}/publish"
    with house.seats["viewer"].at("/batchscore/static/main.js", size, dark=dark, **options) as page:
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.goto(house.stack.url + path)
        page.get_by_role("heading", level=1).wait_for()
        yield page
        assert said == [], "its policy allows all that it needs"


def _summary(house: House, run_id: str) -> dict[str, Any]:
    found = [json.loads(path.read_text()) for path in house.home.rglob("*summary.json")]
    return next(summary for summary in found if summary["run"]["run_id"] == run_id)


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def test_its_figures_are_those_of_the_summary(house: House, seen: Seen) -> None:
    summary = _summary(house, seen.good)
    with _report(house, seen) as page:
        tiles = {tile.split()[0]: _number(tile.split("\n")[1]) for tile in page.locator(".tile").all_inner_texts()}
        totals = {name: summary["totals"][f"rows_{name.lower()}"] for name in ("Scored", "Skipped", "Quarantined")}
        assert tiles == {"Partitions": 17, "Rows": summary["totals"]["rows_read"], **totals}
        rows = page.get_by_role("region", name="Partitions").locator("tbody tr").all()
        shown = {
            row.locator("th").inner_text().strip(): [_number(cell) for cell in row.locator("td").all_inner_texts()[:4]]
            for row in rows
        }
        names = [f"rows_{what}" for what in ("read", "scored", "skipped", "quarantined")]
        assert shown == {row["partition"]: [row[name] for name in names] for row in summary["partitions"]}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_on_a_phone_and_has_no_barrier(house: House, seen: Seen, dark: bool) -> None:
    for size in (PHONE, DESK):
        with _report(house, seen, size, dark=dark) as page:
            assert overflow(page) <= 0
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (background == "rgb(255, 255, 255)") == (not dark)
        with _report(house, seen, size, dark=dark, bypass_csp=True) as page:  # axe is a script
            assert violations(page) == []


def test_on_paper_no_table_is_cut_off(house: House, seen: Seen) -> None:
    with _report(house, seen, (794 - 106, 1123), dark=True) as page:  # A4 without its margins
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate(_WIDE) == []
        assert overflow(page) <= 0
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_the_trigger_form_says_what_it_expects(house: House) -> None:
    house.stack.unpause(DAG)
    with house.seats["user"].at(f"/dags/{DAG}") as page:
        page.get_by_role("button", name="Trigger Dag", exact=True).click()
        years = page.locator("#element_years")
        years.fill("abc")
        years.blur()
        page.get_by_role("button", name="Trigger", exact=True).last.click()
        expect(page.get_by_text("a range such as 2000..2016").last).to_be_visible()
