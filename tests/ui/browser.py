"""A real headless Chromium: people who are logged in, and what they see."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from people import Person
from playwright.sync_api import Browser, Error, Page, Playwright, sync_playwright
from support import ROOT

#: Without them it looks for Google's servers.
_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
#: How long a page may take before a test fails; a busy machine is slow.
PATIENCE = 60_000

PHONE = (360, 740)
DESK = (1280, 900)

#: What breaks for people with a disability, in the words of axe-core.
_AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, with a profile of its own."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "there is no Chromium: sh scripts/install_browser.sh"
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Seat:
    """Somebody in front of a browser."""

    browser: Browser
    person: Person

    @contextmanager
    def at(self, path: str, size: tuple[int, int] = DESK, *, dark: bool = False, **options: Any) -> Iterator[Page]:
        """The page at a path of the server; what it wrote to the console as an error fails the test."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            timezone_id="UTC",
            locale="en-GB",
            **options,
        )
        context.set_default_timeout(PATIENCE)
        url = self.person.stack.url
        if self.person.token:
            context.add_cookies([{"name": "_token", "value": self.person.token, "url": url}])
        errors: list[str] = []
        page = context.new_page()

        def note(error: Error) -> None:
            if "/auth/login" not in page.url:  # FAB's own page has errors of its own
                errors.append(str(error))

        page.on("pageerror", note)
        try:
            page.goto(f"{url}{path}")
            yield page
            assert errors == [], f"the page reports {errors}"
        finally:
            context.close()


def run_tab(dag_id: str, run_id: str) -> str:
    """Path of the tab of a run in Airflow's own pages."""
    return f"/dags/{dag_id}/runs/{quote(run_id, safe='')}/plugin/batchscore-run"


def own_page(dag_id: str, run_id: str) -> str:
    """Path of the same page outside of them."""
    return f"/batchscore/run/{dag_id}/{quote(run_id, safe='')}"


def overflow(page: Page) -> int:
    """How many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@cache
def _axe() -> str:
    return _AXE.read_text()


def violations(page: Page, part: str = "body") -> list[str]:
    """What axe-core finds to be a serious or critical barrier in a part of the page (a CSS selector)."""
    page.evaluate(_axe())
    found = page.evaluate(f"axe.run({json.dumps(part)}, {{resultTypes: ['violations']}})")
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:200]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
