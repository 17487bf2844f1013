"""What a person sees and does on the page of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from browser import DESK, Seat, run_tab
from playwright.sync_api import Error, Locator, Page, expect

#: A run of the tennis example takes as long on a busy machine.
RUN_MS = 240_000


@contextmanager
def scoring_tab(seat: Seat, dag_id: str, run_id: str, size: tuple[int, int] = DESK) -> Iterator[Page]:
    """The tab "Scoring" of a run, once it shows something."""
    with seat.at(run_tab(dag_id, run_id), size) as page:
        headline(page).wait_for()
        yield page


def headline(page: Page) -> Locator:
    """What happened, in one sentence."""
    return page.locator("h1[aria-live]")


def expect_headline(page: Page, text: str | re.Pattern[str]) -> None:
    """Wait until the headline is this."""
    expect(headline(page)).to_have_text(text, timeout=RUN_MS)


def facts(part: Page | Locator) -> dict[str, str]:
    """Names and values of what a panel or a section lists."""
    names, values = part.locator("dt").all_inner_texts(), part.locator("dd").all_inner_texts()
    return dict(zip(names, values, strict=True))


def partition_rows(page: Page) -> dict[str, list[str]]:
    """The table of partitions: key -> cells."""
    rows = page.get_by_role("table", name="Partitions").locator("tbody tr")
    cells = [row.locator("td").all_inner_texts() for row in rows.all()]
    return {row[0]: row[1:] for row in cells}


def do(page: Page, label: str) -> str:
    """Press a button that asks first, and confirm; returns what the page says then, once that is gone."""
    page.get_by_role("button", name=label, exact=True).first.click()
    dialog = page.get_by_role("alertdialog")
    dialog.get_by_role("button", name=label, exact=True).click()
    expect(dialog).to_be_hidden()
    said = page.get_by_role("status").filter(has=page.get_by_role("button", name="Dismiss"))
    text = said.inner_text()
    with suppress(Error):  # it withdraws by itself, too
        said.get_by_role("button", name="Dismiss").click(timeout=5_000)
    expect(said).to_be_hidden()
    return text
