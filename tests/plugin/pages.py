"""The plugin's web app in the tests' own process, with Airflow's auth manager and people of its roles."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from unittest import mock

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient
from small_pipeline import PARAMS
from support import good_rows, write_csv

#: A client of the web app for each, by name.
People: TypeAlias = dict[str, TestClient]

#: Users whose names end so see one DAG alone: SimpleAuthManager has no rights for single DAGs, a company's own has.
ONLY = " of "


class DagAuthManager(SimpleAuthManager):
    """`SimpleAuthManager`, with people who see one DAG alone: ``"ann of seen_pipeline"``."""

    def is_authorized_dag(self, *, user: SimpleAuthManagerUser, details: Any = None, **asked: Any) -> bool:
        _, only, dag_id = user.get_name().partition(ONLY)
        mine = not only or (details is not None and details.id == dag_id)
        return mine and super().is_authorized_dag(user=user, details=details, **asked)


@dataclass(frozen=True)
class History:
    """Three runs of ``seen_pipeline``.

    Attributes:
        folder: of its data.
        people: a client of the web app for each, by name; nobody is ``""``.
        good: scored partitions 1 and 3.
        failed: reused 1, and failed on 2.
        newest: trained a second version, and scored 3 with it.
    """

    folder: Path
    people: People
    good: str
    failed: str
    newest: str

    def ask(self, path: str, who: str = "admin") -> Any:
        answer = self.people[who].get(f"/api/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def model(self) -> Any:
        (model,) = (model for model in self.ask("models")["models"] if model["uri"] == f"{self.folder}/model")
        return model


@contextmanager
def web_app() -> Iterator[People]:
    """A client for each of some people, by name; nobody is ``""``."""
    from airflow.api_fastapi import app as airflows

    from airflow_batchscore.plugin.web import app

    before = getattr(airflows, "auth_manager", None)
    with mock.patch.dict(os.environ, AIRFLOW__CORE__AUTH_MANAGER="pages.DagAuthManager"):
        manager = airflows.create_auth_manager()
    people = {"viewer": "viewer", "user": "user", "admin": "admin", f"ann{ONLY}seen_pipeline": "user"}
    people |= {f"bob{ONLY}small_poking": "user", f"eve{ONLY}nothing": "admin"}
    tokens = {
        name: manager.generate_jwt(SimpleAuthManagerUser(username=name, role=role)) for name, role in people.items()
    }
    clients = {name: TestClient(app, headers={"Authorization": f"Bearer {token}"}) for name, token in tokens.items()}
    try:
        yield {**clients, "": TestClient(app)}
    finally:
        airflows.auth_manager = before


def data_in(folder: Path) -> Path:
    """A dataset of four partitions for the small pipelines."""
    write_csv(folder / "part_0.csv", good_rows(200))
    for partition in (1, 2, 3):
        write_csv(folder / f"part_{partition}.csv", good_rows(50, 1000 * partition))
    return folder


def run_dag(dags: dict[str, Any], dag_id: str, folder: Path, **conf: Any) -> Any:
    """A run of a small pipeline in this process, over `folder`."""
    with mock.patch.dict(os.environ, AIRFLOW_VAR_FOLDER=str(folder)):
        return copy.deepcopy(dags[dag_id]).test(run_conf={**PARAMS, **conf})
