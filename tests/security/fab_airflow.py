"""Airflow with FAB's auth manager on PostgreSQL, each part a process of its own: `airflow standalone` allows no FAB."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from celery_airflow import PostgreSQL
from commands import run_command
from people import Person
from servers import Servers
from stack import Stack

#: Two roles of our own, each of which may read a single DAG.
OWN = {"one who sees this DAG alone": "wta_batch_scoring", "one who sees another DAG alone": "form_output"}
ROLES = ("Viewer", "User", "Op", "Admin", *OWN)

#: Passwords come by stdin: arguments can be read by every user of the machine.
_MAKE_USERS = f"""
import json, sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

with get_application_builder() as builder:
    sm = builder.sm
    for role, dag_id in {OWN!r}.items():
        own = sm.add_role(role)
        for resource in ("DAG:" + dag_id, "DAG Runs", "Task Instances", "Task Logs", "XComs", "Website"):
            sm.add_permission_to_role(own, sm.create_permission("can_read", resource))
    for role, password in json.load(sys.stdin).items():
        name = role.replace(" ", "-")
        assert sm.add_user(name, "A", role, name + "@example.org", sm.find_role(role), password=password)
"""


class FabAirflow(Servers):
    """`stack` talks to it as to every other Airflow of the tests."""

    def __init__(self, folder: Path, dags: Path, database: PostgreSQL, extra: Mapping[str, str]) -> None:
        super().__init__(folder / "processes")
        manager = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        settings = {
            "AIRFLOW__CORE__AUTH_MANAGER": manager,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url("+psycopg2"),
            "AIRFLOW__API__WORKERS": "1",
        }
        self.passwords = {role: secrets.token_urlsafe(12) for role in ROLES}
        self.stack = FabStack(folder / "airflow", dags, extra={**extra, **settings})
        self.stack.admin_password = self.passwords["Admin"]

    def up(self) -> None:
        self.stack.run("db", "migrate")
        run_command(
            [sys.executable, "-c", _MAKE_USERS],
            env=self.stack.env,
            input=json.dumps(self.passwords),
            text=True,
            check=True,
            capture_output=True,
        )
        quiet = "--skip-serve-logs"  # its server would listen beyond loopback
        for part in (["api-server"], ["scheduler", quiet], ["dag-processor"], ["triggerer", quiet]):
            self.start(part[0], sys.executable, "-m", "airflow", *part, **self.stack.env)
        self.stack.wait_until_up()

    def people(self) -> dict[str, Person]:
        return {role: Person.logged_in(self.stack, role.replace(" ", "-"), self.passwords[role]) for role in ROLES}


class FabStack(Stack):
    """Its administrator is a user in the database."""

    admin_password = ""

    def token(self) -> str:
        if self._token is None:
            self._token = Person.logged_in(self, "Admin", self.admin_password).token
        return str(self._token)
