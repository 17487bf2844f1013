"""What each role may do, with both auth managers, is what docs/roles.md says.

`pytest --write-roles` writes down what it finds.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from celery_airflow import PostgreSQL
from fab_airflow import FabAirflow
from people import Person, Run
from places import Place, environment, honest_run, security_dags
from roles import ANYBODY, FORGER, OURS, table, with_table
from stack import free_port
from support import ROOT, Wta

DOCUMENT = ROOT / "docs" / "roles.md"


@pytest.fixture(scope="module")
def fab(matches: Wta, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("fab")
    extra = environment(folder, matches.folder)
    dags = security_dags(folder / "dags")
    with (
        PostgreSQL(secrets.token_hex(16), free_port(), "airflow") as database,
        FabAirflow(folder, dags, database, extra) as airflow,
    ):
        yield Place(airflow.stack, airflow.people(), folder / "data")


def _same_table(pytestconfig: pytest.Config, heading: str, place: Place, run: Run) -> None:
    stack = place.stack
    people = {ANYBODY: Person(stack, None), FORGER: Person(stack, _forged(place)), **place.people}
    made = with_table(DOCUMENT.read_text(), heading, table(people, run))
    if pytestconfig.getoption("--write-roles"):
        DOCUMENT.write_text(made)
    assert made == DOCUMENT.read_text(), "see what changed; if it is meant, run the test with --write-roles"


def _forged(place: Place) -> str:
    """The administrator's token, signed by somebody else."""
    head, claims, signature = place.stack.token().split(".")
    return ".".join([head, claims, signature[::-1]])


@pytest.mark.service
@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", ["default"], indirect=True)
def test_roles_of_simple_auth_manager(pytestconfig: pytest.Config, place: Place, scored: Run) -> None:
    _same_table(pytestconfig, "SimpleAuthManager", place, scored)


@pytest.mark.production
@pytest.mark.timeout(900)
def test_roles_of_fab_on_postgresql(pytestconfig: pytest.Config, fab: Place) -> None:
    _same_table(pytestconfig, "FAB", fab, honest_run(fab))


@pytest.mark.dag
def test_every_route_of_the_plugin_is_in_the_table() -> None:
    from airflow_batchscore.links import URL_PREFIX
    from airflow_batchscore.plugin.web import app

    routes = {f"{URL_PREFIX}{getattr(route, 'path', '')}" for route in app.routes}
    assert routes == {action.route for action in OURS}, "ask for what is new, in roles.OURS"
