"""A Ceph cluster of one node with its S3 gateway, which enforces what S3 enforces (conditional writes among it)."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from s3_server import s3_client
from servers import Servers
from stack import free_port
from support import ROOT, wait_for


class Ceph(Servers):
    """As docker-compose.yaml starts it. Its user and bucket are those of `s3_server.moto_server`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_port()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def up(self) -> None:
        environment = {
            "S3_HOME": str(self.folder / "store"),
            "S3_HOST": "127.0.0.1",
            "S3_PORT": str(self._port),
            "S3_BYTES": str(4 << 30),
            "S3_ACCESS_KEY": "test-key",
            "S3_SECRET_KEY": "test-secret",
            "MON_PORT": str(free_port()),
        }
        self.start("s3", "/bin/sh", str(ROOT / "docker" / "s3" / "start.sh"), **environment)
        wait_for(lambda: urllib.request.urlopen(self.endpoint, timeout=1).status == 200, 240)
        s3_client(self.endpoint).create_bucket(Bucket="tennis")
