"""A marked text in every field of a connection is found in nothing that a run leaves behind or shows while it runs."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attacks import finish, start
from commands import run_command
from places import Place
from s3_server import moto_server, s3_client
from support import good_rows, looking_at_processes, write_csv

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

#: All of 127.0.0.0/8 is this machine: an address that nothing else has.
HOST = "127.93.77.51"
MARKS = {
    "host": "kq93-host.example.org",
    "login": "KQ93MARKEDLOGIN",
    "password": "kq93-marked/pass+word",
    "schema": "kq93-schema",
    "port": 39317,
}

#: Not through the API or the command line: their audit log is Airflow's own business.
_ADD = """
import json, sys
from airflow.models import Connection
from airflow.utils.session import create_session
with create_session() as session:
    session.add(Connection(conn_id="marked", conn_type="aws", **json.load(sys.stdin)))
"""


@pytest.fixture
def store(place: Place, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """An S3 server, and the texts that nobody may find."""
    with moto_server(HOST) as endpoint:
        for partition in (0, 1, 2):
            path = write_csv(tmp_path / f"part_{partition}.csv", good_rows(200, 1000 * partition))
            s3_client(endpoint).upload_file(str(path), "tennis", path.name)
        extra = {
            "endpoint_url": endpoint,
            "region_name": "us-kq93-1",
            "aws_session_token": "kq93-session-token",
            "kq93-unknown-name": "kq93-unknown-value",
        }
        command = [sys.executable, "-c", _ADD]
        given = json.dumps({**MARKS, "extra": json.dumps(extra)})
        run_command(command, env=place.stack.env, input=given, text=True, check=True, capture_output=True)
        marks = [str(value) for name, value in MARKS.items() if name != "port"]
        yield endpoint, [*marks, HOST, f":{MARKS['port']}", *extra.values(), "kq93"]


@pytest.mark.parametrize("place", ["default"], indirect=True)
def test_no_field_of_a_connection_is_left_anywhere(place: Place, store: tuple[str, list[str]]) -> None:
    endpoint, marks = store
    stack = place.stack
    with _shown_by_processes(stack.env["AIRFLOW_HOME"]) as shown:
        good = start(place.people["user"], "marked_store", {"partitions": "1..2"})
        assert finish(stack, good) == "success"
        for conf in ({"require": ">=2"}, {"partitions": "7"}):
            assert finish(stack, start(place.people["user"], "marked_store", conf)) == "failed"
    assert any(b"spawn_main" in line for line in shown["arguments"])
    tables = _tables(Path(stack.env["AIRFLOW_HOME"]) / "airflow.db")
    # Its password and its extra are encrypted there, the rest is not.
    assert MARKS["login"].encode() in tables.pop("table connection")
    left = {
        **{f"{what} of a process": b"\n".join(sorted(lines)) for what, lines in shown.items()},
        **_files(Path(stack.env["AIRFLOW_HOME"])),
        **tables,
        **_objects(endpoint),
    }
    assert left["table xcom"]
    assert left["table rendered_task_instance_fields"]
    assert any(name.endswith("attempt=1.log") for name in left)
    assert [(name, mark) for name, data in left.items() for mark in marks if mark.encode() in data] == []


def _files(folder: Path) -> Mapping[str, bytes]:
    """All but the database, which `_tables` reads."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("airflow.db")]
    return {str(path): path.read_bytes() for path in paths}


def _tables(database: Path) -> Mapping[str, bytes]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reader:
        reader.text_factory = bytes
        names = [name.decode() for (name,) in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        select = 'SELECT * FROM "{}"'
        return {f"table {name}": repr(reader.execute(select.format(name)).fetchall()).encode() for name in names}


def _objects(endpoint: str) -> Mapping[str, bytes]:
    client = s3_client(endpoint)
    found: dict[str, bytes] = {}
    for item in client.list_objects_v2(Bucket="tennis")["Contents"]:
        answer: Any = client.get_object(Bucket="tennis", Key=item["Key"])
        found[item["Key"]] = item["Key"].encode() + repr(answer["Metadata"]).encode() + answer["Body"].read()
    return found


@contextmanager
def _shown_by_processes(airflow_home: str) -> Iterator[Mapping[str, set[bytes]]]:
    """The arguments and environments of this Airflow's processes, of all that ran for more than a moment."""
    seen: dict[str, set[bytes]] = {"arguments": set(), "environment": set()}

    def look(process: Path) -> None:
        environment = (process / "environ").read_bytes()
        if airflow_home.encode() in environment:
            seen["environment"].add(environment)
            seen["arguments"].add((process / "cmdline").read_bytes())

    with looking_at_processes(look):
        yield seen
