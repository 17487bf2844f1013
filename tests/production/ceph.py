"""A Ceph cluster of one node with its S3 gateway, which enforces what S3 enforces (conditional writes among it)."""

from __future__ import annotations

import subprocess
import urllib.request
import uuid
from pathlib import Path

from servers import Servers
from stack import free_port
from support import s3_client, wait_for

_CONFIG = """
[global]
fsid = {fsid}
mon host = [v1:127.0.0.1:{mon}]
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
run dir = {folder}
log file = {folder}/$name.ceph.log
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
mon data = {folder}/mon
mgr data = {folder}/mgr
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
mgr initial modules =
setuser match path =
rgw frontends = beast endpoint=127.0.0.1:{gateway}
rgw dns name = localhost
rgw enable ops log = false
ms bind ipv6 = false
"""


class Ceph(Servers):
    """Monitor, manager, one OSD in memory, and radosgw. Its user and bucket are those of `support.moto_server`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._config = str(folder / "ceph.conf")
        self._gateway = free_port()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._gateway}"

    def up(self) -> None:
        for name in ("mon", "mgr", "osd"):
            (self.folder / name).mkdir()
        fsid, mon = str(uuid.uuid4()), free_port()
        text = _CONFIG.format(fsid=fsid, mon=mon, folder=self.folder, gateway=self._gateway)
        Path(self._config).write_text(text)
        monmap = str(self.folder / "monmap")
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{mon}]", monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self.start("mon", "ceph-mon", "-f", "-i", "a", "-c", self._config)
        wait_for(lambda: self._says("ceph", "mon", "stat"), 60)
        self.start("mgr", "ceph-mgr", "-f", "-i", "x", "-c", self._config)
        osd = str(uuid.uuid4())
        self._run("ceph", "osd", "new", osd)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.start("osd", "ceph-osd", "-f", "-i", "0", "-c", self._config)
        wait_for(lambda: "1 up" in self._says("ceph", "osd", "stat"), 60)
        self.start("gateway", "radosgw", "-f", "-n", "client.rgw", "-c", self._config)
        wait_for(lambda: urllib.request.urlopen(self.endpoint, timeout=1).status == 200, 90)
        user = ["--uid=test", "--display-name=test", "--access-key=test-key", "--secret-key=test-secret"]
        self._run("radosgw-admin", "user", "create", *user)
        s3_client(self.endpoint).create_bucket(Bucket="tennis")

    def _run(self, program: str, *options: str) -> str:
        command = [program, "-c", self._config, *options]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def _says(self, program: str, *options: str) -> str:
        try:
            command = [program, "-c", self._config, "--connect-timeout", "5", *options]
            return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return ""
