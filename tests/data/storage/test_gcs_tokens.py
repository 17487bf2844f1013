"""A token of Google's is renewed before it expires, however long a task runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from stores import registered

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.clouds


class _Tokens(HTTPServer):
    """Gives out tokens that live for `seconds`; counts them; with 0, it refuses."""

    seconds = 3600
    given = 0


class _Handler(BaseHTTPRequestHandler):
    server: _Tokens

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        refused = not self.server.seconds
        self.server.given += not refused
        answer = {"error": "invalid_grant", "error_description": "the key was deleted"}
        if not refused:
            answer = {"access_token": f"token-{self.server.given}", "expires_in": str(self.server.seconds)}
            answer |= {"token_type": "Bearer"}
        self.send_response(400 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def tokens() -> Iterator[_Tokens]:
    with _Tokens(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def place(tokens: _Tokens, monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    """A place in a bucket, with a service account whose tokens come from `tokens`."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from google.oauth2.service_account import Credentials

    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "private_key": key.decode(),
        "client_email": "me@project.iam.gserviceaccount.com",
        "token_uri": f"http://127.0.0.1:{tokens.server_port}/",
    }
    credentials = Credentials.from_service_account_info(
        account, scopes=["https://www.googleapis.com/auth/cloud-platform"]
    )
    with registered("tokens", {"credentials": credentials, "project": "project"}):
        yield Location("gs://bucket/key", "tokens")


def test_a_token_that_lives_long_enough_is_kept(tokens: _Tokens, place: Location) -> None:
    first, path = storage.filesystem(place)
    assert path == "bucket/key"
    assert storage.filesystem(place)[0] is first
    assert tokens.given == 1


def test_a_token_that_is_about_to_expire_is_renewed(tokens: _Tokens, place: Location) -> None:
    tokens.seconds = 60
    first, _ = storage.filesystem(place)
    tokens.seconds = 3600
    second, _ = storage.filesystem(place)
    assert second is not first
    assert storage.filesystem(place)[0] is second
    assert tokens.given == 2


def test_a_key_that_is_refused_is_an_error_that_a_retry_cannot_fix(tokens: _Tokens, place: Location) -> None:
    tokens.seconds = 0
    with pytest.raises(InputError, match=r"cannot read gs://bucket/key: .*UNAUTHENTICATED.*the key was deleted"):
        storage.read_bytes(place)
