"""One real Airflow with people of every role, and one Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import Seat, chromium
from people import Person, give_passwords, simple_users
from playwright.sync_api import Browser
from stack import Stack, example_environment
from support import ROOT, Wta, copy_dags, quick_airflow, running

ROLES = ("viewer", "user", "op", "admin")


@dataclass(frozen=True)
class House:
    """An Airflow, its people in front of their browsers, and where its pipelines work.

    Attributes:
        matches: the folder of the years of matches, which a test may change.
        home: of the tennis example.
    """

    stack: Stack
    seats: dict[str, Seat]
    matches: Path
    home: Path


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def house(wta: Wta, marks: Path, chrome: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """SQLite and SimpleAuthManager, as ``make up`` has them."""
    folder = tmp_path_factory.mktemp("house")
    matches = folder / "matches"
    shutil.copytree(wta.folder, matches)
    users, passwords = simple_users(ROLES)
    extra = {
        **example_environment(str(matches), folder / "wta"),
        **users,
        "SLOW_MODEL_MARKS": str(marks),
        "SLOW_MODEL_SECONDS": "0",
    }
    dags = copy_dags(folder / "dags")
    shutil.copytree(ROOT / "tests" / "ui" / "dags", dags, dirs_exist_ok=True)
    stack = quick_airflow(folder / "airflow", dags, extra)
    give_passwords(stack, passwords)
    with running(stack):
        people = {role: Person.logged_in(stack, f"a-{role}", passwords[f"a-{role}"]) for role in ROLES}
        yield House(stack, {role: Seat(chrome, person) for role, person in people.items()}, matches, folder / "wta")
