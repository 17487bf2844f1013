"""The pictures of the README and of the documentation: ``pytest --write-screenshots tests/ui/test_screenshots.py``."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from browser import DESK, PHONE, own_page, run_tab
from conftest import House, Seen
from PIL import Image
from playwright.sync_api import Page
from run_page import headline
from support import ROOT

pytestmark = [pytest.mark.ui, pytest.mark.timeout(900)]

IMAGES = ROOT / "docs" / "images"
#: A page of the documentation loads several of them.
MOST_BYTES = 150_000

DAG = "wta_batch_scoring"


@pytest.fixture
def folder(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    return IMAGES if pytestconfig.getoption("--write-screenshots") else tmp_path


def _take(page: Page, path: Path) -> None:
    """Of what is in the window, in a palette of 256 colours."""
    page.wait_for_timeout(2000)  # charts grow, fonts are loaded
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    assert 10_000 < path.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_tab_of_a_failed_run(house: House, seen: Seen, folder: Path, dark: bool) -> None:
    with house.seats["user"].at(run_tab(DAG, seen.failed), DESK, dark=dark) as page:
        headline(page).wait_for()
        _take(page, folder / f"scoring-tab-{'dark' if dark else 'light'}.png")


def test_the_models(house: House, seen: Seen, folder: Path) -> None:
    with house.seats["op"].at("/plugin/batchscore?tab=models", DESK) as page:
        page.get_by_role("table").first.wait_for()
        _take(page, folder / "batch-scoring-models-light.png")


def test_a_failed_run_on_a_phone(house: House, seen: Seen, folder: Path) -> None:
    with house.seats["user"].at(own_page(DAG, seen.failed), PHONE, device_scale_factor=2) as page:
        headline(page).wait_for()
        _take(page, folder / "scoring-phone.png")
