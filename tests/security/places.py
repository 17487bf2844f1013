"""Airflows with users of all roles, and the data that their pipelines work on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from people import Person, Run, give_passwords, simple_users
from stack import Stack, example_environment
from support import ROOT, good_rows, quick_airflow, running, write_csv

ROLES = ("viewer", "user", "op", "admin")
WTA_DAG = "wta_batch_scoring"


@dataclass(frozen=True)
class Place:
    """An Airflow, the people of it, and the folder where its pipelines work."""

    stack: Stack
    people: dict[str, Person]
    home: Path

    def __post_init__(self) -> None:
        for dag_id in (WTA_DAG, "form_output"):
            self.stack.wait_for_dag(dag_id)


def security_dags(folder: Path) -> Path:
    """The tennis example and the DAGs of these tests; each file more costs every stack seconds."""
    folder.mkdir(parents=True)
    for path in [*ROOT.glob("dags/wta_*.py"), *ROOT.glob("tests/security/dags/*.py")]:
        if path.name != "wta_partitioned_assets.py":
            shutil.copy(path, folder)
    return folder


def environment(folder: Path, matches: Path) -> dict[str, str]:
    """Of a stack below `folder`; makes the data of its pipelines."""
    home = folder / "data"
    write_csv(home / "part_0.csv", good_rows(200))
    write_csv(home / "part_1.csv", good_rows(200, 1000))
    copied = home / "matches"
    copied.mkdir()
    for year in (2013, 2014, 2015):
        shutil.copy(matches / f"wta_matches_{year}.csv", copied)
    return {**example_environment(str(copied), home / "wta"), "SECURITY_HOME": str(home)}


@contextmanager
def simple_place(folder: Path, matches: Path, **settings: str) -> Iterator[Place]:
    """SQLite and SimpleAuthManager."""
    users, passwords = simple_users(ROLES)
    extra = {**environment(folder, matches), **users, **settings}
    stack = quick_airflow(folder / "airflow", security_dags(folder / "dags"), extra)
    give_passwords(stack, passwords)
    with running(stack):
        people = {role: Person.logged_in(stack, f"a-{role}", passwords[f"a-{role}"]) for role in ROLES}
        yield Place(stack, people, folder / "data")


def honest_run(place: Place) -> Run:
    """Train on 2015, score 2014 and 2015, publish; nothing but the years is asked for."""
    run_id = place.stack.trigger(WTA_DAG, {"years": [2014, 2015]})
    assert place.stack.wait_for_run(WTA_DAG, run_id, 300) == "success"
    return Run(WTA_DAG, run_id)
