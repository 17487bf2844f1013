"""docker-compose.yaml without Docker: its commands and environment, as processes on loopback.

What containers bring and one machine has not is put in its place: addresses, ports, and the folders of the images and
volumes. The official images (postgres, redis) are stood in for by the same servers.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from celery_airflow import PostgreSQL
from commands import run_command
from servers import Servers
from stack import Stack, free_port
from support import ROOT, wait_for


class Compose(Servers):
    """The services of the file, profiles included."""

    def __init__(self, folder: Path, matches: Path) -> None:
        super().__init__(folder)
        self.services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
        ports = {name: str(free_port()) for name in ("8080", "5432", "6379", "7480", "6789", "8786", "7077")}
        self.ports = ports
        self._image = folder / "image"
        root = str(self._image)
        self._places = {
            "http://api-server:8080": f"http://127.0.0.1:{ports['8080']}",
            "http://127.0.0.1:8080": f"http://127.0.0.1:{ports['8080']}",
            "http://127.0.0.1:7480": f"http://127.0.0.1:{ports['7480']}",
            "http://s3:7480": f"http://127.0.0.1:{ports['7480']}",
            "postgres:5432": f"127.0.0.1:{ports['5432']}",
            "redis:6379": f"127.0.0.1:{ports['6379']}",
            "tcp://dask-scheduler:8786": f"tcp://127.0.0.1:{ports['8786']}",
            "spark://spark-master:7077": f"spark://127.0.0.1:{ports['7077']}",
            "('127.0.0.1', 8786)": f"('127.0.0.1', {ports['8786']})",
            "('spark-master', 7077)": f"('127.0.0.1', {ports['7077']})",
            "/data/wta-matches": str(matches),
            "/opt/venv/lib/python3.11/site-packages": str(Path(yaml.__file__).parents[1]),
            "/opt/venv/bin": str(Path(sys.executable).parent),
            **{name: f"{root}{name}" for name in ("/opt/airflow", "/opt/batchscore", "/secrets", "/var/lib/s3")},
        }
        self._values = {**ports, "0.0.0.0": "127.0.0.1", "spark-master": "127.0.0.1", "21474836480": "2147483648"}  # noqa: S104
        self._environment = self._build()
        self._postgres: PostgreSQL | None = None
        self._up: set[str] = set()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def _build(self) -> dict[str, str]:
        """What the Dockerfile makes of the image: its folders, files and environment."""
        text = (ROOT / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
        text = text[text.index("AS airflow") : text.index("AS spark")]
        for folder in ("secrets", "opt/airflow/logs", "opt/batchscore"):
            (self._image / folder).mkdir(parents=True)
        for sources, target in re.findall(r"^COPY (?!--)(.*) (\S+)$", text, re.MULTILINE):
            for source in sources.split():
                place = self._image / target.lstrip("/")
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place)
                else:
                    shutil.copy(ROOT / source, place)
        (values,) = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
        pairs = dict(value.split("=", 1) for value in shlex.split(values))
        return {name: self._here(value.replace("$PATH", os.environ["PATH"])) for name, value in pairs.items()}

    def _here(self, text: str) -> str:
        if text in self._values:
            return self._values[text]
        for place, ours in self._places.items():
            text = text.replace(place, ours)
        return text

    def environment(self, service: str) -> dict[str, str]:
        given = self.services[service].get("environment", {})
        mine = {name: self._here(str(value)) for name, value in given.items()}
        return {**self._environment, "HOSTNAME": platform.node(), **mine}

    def command(self, service: str) -> list[str]:
        """Entrypoint and command."""
        asked = [self._here(word) for word in self.services[service].get("command", [])]
        if service == "s3":
            return ["/bin/sh", str(ROOT / "docker" / "s3" / "start.sh")]
        if service == "redis":
            return [*asked, "--bind", "127.0.0.1", "--port", self.ports["6379"], "--dir", str(self.folder)]
        return ["/bin/sh", f"{self._image}/opt/batchscore/entrypoint.sh", *asked]

    def up(self) -> None:
        for service in self.services:
            self.start_service(service)

    def start_service(self, service: str) -> None:
        """Start it when what it depends on is up; a service that only does something is waited for."""
        if service in self._up:
            return
        self._up.add(service)
        for other in self.services[service].get("depends_on", {}):
            self.start_service(other)
        if service == "postgres":
            password = self._here(self.services[service]["environment"]["POSTGRES_PASSWORD_FILE"])
            self._postgres = PostgreSQL(Path(password).read_text(), int(self.ports["5432"]), "airflow")
            self._postgres.__enter__()
            return
        process = self.start(service, *self.command(service), **self.environment(service))
        self.processes[service] = process
        if self.services[service].get("restart") == "no":
            assert process.wait(120) == 0, (self.folder / f"{service}.log").read_text()[-3000:]
        elif service != "redis":
            wait_for(lambda: self.healthy(service), 180)

    def healthy(self, service: str) -> bool:
        """What the service's health check says; True where it has none."""
        check = self.services[service].get("healthcheck", {}).get("test")
        if check is None:
            return True
        assert self.processes[service].poll() is None, (self.folder / f"{service}.log").read_text()[-3000:]
        words = [self._here(word).replace("$$", "$") for word in check[1:]]
        command = words if check[0] == "CMD" else ["/bin/sh", "-c", *words]
        environment = {**os.environ, **self.environment(service)}
        return run_command(command, env=environment, cwd=self.folder, capture_output=True).returncode == 0

    def stop(self) -> None:
        super().stop()
        if self._postgres is not None:
            self._postgres.stop()

    @property
    def secrets(self) -> Path:
        return self._image / "secrets"

    def api(self) -> Stack:
        """A client of the api-server."""
        stack = Stack(self.folder / "client", self._image / "opt/airflow/dags", port=int(self.ports["8080"]))
        stack._secrets["password"] = json.loads((self.secrets / "passwords.json").read_text())["admin"]
        return stack
