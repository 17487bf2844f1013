"""One real Airflow with people of every role, and one Chromium."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import Seat, chromium
from commands import run_command
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
def house(wta: Wta, marks: Path, chrome: Browser) -> Iterator[House]:
    """SQLite and SimpleAuthManager, as ``make up`` has them. Its paths are seen on screenshots, so they are short."""
    folder = Path(tempfile.mkdtemp(prefix="tennis-"))
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
        stack.wait_for_dag("wta_batch_scoring")
        people = {role: Person.logged_in(stack, f"a-{role}", passwords[f"a-{role}"]) for role in ROLES}
        yield House(stack, {role: Seat(chrome, person) for role, person in people.items()}, matches, folder / "wta")
    shutil.rmtree(folder, ignore_errors=True)


def large_run(house: House, folder: Path, tasks: int, pack: int = 1) -> str:
    """A run of `small_pipeline`, which is paused, with `tasks` scoring tasks of `pack` partitions each; its id.

    All are scored, but the 18th failed, four of the last ten are at work and the others wait.
    """
    house.stack.wait_for_dag("small_pipeline")
    program = ROOT / "tests" / "ui" / "large_run.py"
    env = {**house.stack.env, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'plugin'}"}
    command = [sys.executable, program, folder, str(tasks), str(pack)]
    made = run_command(command, env=env, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[-3000:]
    return str(made.stdout.split()[-1])


@dataclass(frozen=True)
class Seen:
    """Runs of the tennis example that are over.

    Attributes:
        failed: of 17 years, on one of them.
        good: of the same years, with a newer model.
    """

    failed: str
    good: str


@pytest.fixture(scope="session")
def seen(house: House) -> Seen:
    dag, years = "wta_batch_scoring", "2000..2016"
    house.stack.unpause(dag)
    file = house.matches / "wta_matches_2009.csv"
    whole = file.read_text()
    file.write_text(whole.replace("winner_rank_points", "winner_points", 1))
    failed = house.stack.trigger(dag, {"years": years, "train_year": 2014})
    assert house.stack.wait_for_run(dag, failed, 400) == "failed"
    file.write_text(whole)
    good = house.stack.trigger(dag, {"years": years})
    assert house.stack.wait_for_run(dag, good, 400) == "success"
    return Seen(failed, good)
