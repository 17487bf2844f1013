"""docker-compose.yaml on the images of `scripts/build_images.sh`: each service runs in a chroot of its image.

The network is this process's own (`make test-image`), and the services' names lead to loopback: commands, ports,
environment, users and health checks are those of the file, as written. Debian's PostgreSQL and Redis stand in for the
official images.
"""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from commands import run_command
from compose import Compose
from support import ROOT

STORE = ROOT / ".image"
BUILDAH = ["buildah", "--root", f"{STORE}/storage", "--runroot", f"{STORE}/run", "--storage-driver", "overlay"]


def buildah(*arguments: str) -> str:
    done = run_command([*BUILDAH, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"buildah {' '.join(arguments)}: {done.stderr[-3000:]}"
    return str(done.stdout).strip()


def in_chroot(container: str, *options: str) -> list[str]:
    """The beginning of a command that runs in `container`, as the image's user and with its environment."""
    return [*BUILDAH, "run", "--isolation", "chroot", "--no-hosts", *options, container, "--"]


class Containers(Compose):
    """The services of the file, profiles included. A container for each, and its volumes as folders."""

    def __init__(self, folder: Path, matches: Path) -> None:
        super().__init__(folder, matches)
        self._matches = matches
        self.ports.update({port: port for port in self.ports})
        self._values = {}
        # Of the two servers that run outside.
        self._places = {"/secrets": str(self.secrets)}
        self._hosts = folder / "hosts"
        self._hosts.write_text(f"127.0.0.1 localhost {' '.join(self.services)}\n")
        self.container = cache(self._container)

    @property
    def secrets(self) -> Path:
        return self.folder / "volumes" / "secrets"

    def _container(self, service: str) -> str:
        target = self.services[service]["build"].get("target", "s3")
        container = buildah("from", "--pull-never", f"localhost/batchscore-{target}")
        buildah("copy", "-q", container, str(self._hosts), "/etc/hosts")
        return container

    def environment(self, service: str) -> dict[str, str]:
        """Of the process outside; what is inside gets its own by `run`."""
        return super().environment(service) if service == "redis" else {}

    def command(self, service: str) -> list[str]:
        if service == "redis":
            return super().command(service)
        image = json.loads(buildah("inspect", self.container(service)))["OCIv1"]["config"]
        return [*self._run(service), *image["Entrypoint"], *self.services[service].get("command", [])]

    def healthy(self, service: str) -> bool:
        check = self.services[service].get("healthcheck", {}).get("test")
        if check is None or service == "redis":
            return True
        assert self.processes[service].poll() is None, (self.folder / f"{service}.log").read_text()[-3000:]
        words = [word.replace("$$", "$") for word in check[1:]]
        inside = words if check[0] == "CMD" else ["/bin/sh", "-c", *words]
        return run_command([*self._run(service), *inside], capture_output=True).returncode == 0

    def _run(self, service: str) -> list[str]:
        given: dict[str, Any] = self.services[service].get("environment", {})
        values = {"HOSTNAME": service, **given}
        options = ["--hostname", service]
        options += [word for name, value in values.items() for word in ("-e", f"{name}={value}")]
        for volume in self.services[service].get("volumes", []):
            options += ["-v", self._volume(service, *volume.split(":"))]
        return in_chroot(self.container(service), *options)

    def _volume(self, service: str, source: str, target: str, mode: str = "rw") -> str:
        """A folder in the place of the volume; a new one has the owner and the mode that the image's folder has."""
        if source.startswith("."):
            return f"{self._matches.parent}:{target}:{mode}"
        folder = self.folder / "volumes" / source
        if not folder.exists():
            folder.mkdir(parents=True)
            said = buildah(
                "run", "--isolation", "chroot", self.container(service), "--", "stat", "-c", "%u %g %a", target
            )
            owner, group, permissions = said.split()
            os.chown(folder, int(owner), int(group))
            folder.chmod(int(permissions, 8))
        return f"{folder}:{target}:{mode}"

    def inside(self, service: str, *command: str) -> str:
        """What `command` prints in the container of `service`, with the service's environment and secrets."""
        words = [*self._run(service), "/bin/sh", "/opt/batchscore/entrypoint.sh", *command]
        done = subprocess.run(words, capture_output=True, text=True)  # noqa: S603
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return done.stdout
