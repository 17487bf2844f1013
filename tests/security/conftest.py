"""Real Airflows with users of all roles: one as it is installed, one hardened, one with FAB on PostgreSQL."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from people import Run
from places import Place, honest_run, simple_place
from support import Wta

#: Without any setting of [batchscore], and with all that SECURITY.md advises; `make test-security` runs the latter.
DEFAULT, HARDENED = "default", "hardened"


@pytest.fixture(scope="session", params=[DEFAULT, pytest.param(HARDENED, marks=pytest.mark.hardened)])
def place(request: pytest.FixtureRequest, matches: Wta, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """SQLite and SimpleAuthManager; one after the other, for they take all of a small machine."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = _hardened(folder / "data") if request.param == HARDENED else {}
    with simple_place(folder, matches.folder, **settings) as running:
        yield running


def _hardened(home: Path) -> dict[str, str]:
    outputs = " ".join(f"{home}/{folder}/" for folder in ("wta", "results", "staged", "trained", "imported"))
    return {
        "AIRFLOW__BATCHSCORE__TRUSTED_MODEL_URIS": f"{home}/wta/models/ {home}/trained/",
        "AIRFLOW__BATCHSCORE__OUTPUT_URIS": outputs,
        "AIRFLOW__BATCHSCORE__SIGNING_CONN_ID": "signing",
        "AIRFLOW__BATCHSCORE__REQUIRE_SIGNATURE": "True",
        "AIRFLOW__BATCHSCORE__SECRET": secrets.token_urlsafe(32),
        "AIRFLOW_CONN_SIGNING": json.dumps({"conn_type": "generic", "password": secrets.token_urlsafe(32)}),
    }


@pytest.fixture(scope="session")
def scored(place: Place) -> Run:
    """A run that went well."""
    return honest_run(place)
