"""An S3 server on this machine: moto, in a process of its own."""

from __future__ import annotations

import atexit
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from commands import start_command
from support import wait_for


@contextmanager
def moto_server(host: str = "127.0.0.1") -> Iterator[str]:
    """A moto S3 server in a process of its own, with one empty bucket, ``tennis``."""
    with _server_of_moto(host) as endpoint:
        s3_client(endpoint).create_bucket(Bucket="tennis")
        yield endpoint


def emptied_moto() -> str:
    """The address of this process's S3 server, with one empty bucket, ``tennis``.

    Whoever asks next empties it again: it serves one test, or the tests of one module, at a time.
    """
    endpoint = _moto_of_this_process()
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"), timeout=30)
    s3_client(endpoint).create_bucket(Bucket="tennis")
    return endpoint


@cache
def _moto_of_this_process() -> str:
    running = _server_of_moto("127.0.0.1")
    atexit.register(running.__exit__, None, None, None)
    return running.__enter__()


@contextmanager
def _server_of_moto(host: str) -> Iterator[str]:
    from stack import free_port

    port = free_port()
    endpoint = f"http://{host}:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)]
    process = start_command(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=1).status == 200, 60)
        yield endpoint
    finally:
        process.terminate()
        process.wait(20)


def s3_client(endpoint: str) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test-key",
        aws_secret_access_key="test-secret",
    )


def s3_options(endpoint: str) -> dict[str, Any]:
    """What `data.s3.register` takes for a server as `moto_server` starts it."""
    return {
        "access_key": "test-key",
        "secret_key": "test-secret",
        "region": "us-east-1",
        "scheme": "http",
        "endpoint_override": endpoint.removeprefix("http://"),
    }
