"""Airflow as production has it: PostgreSQL, Redis, CeleryExecutor, and each part a process of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from commands import run_command
from servers import Servers
from stack import Stack, free_port
from support import wait_for


class PostgreSQL(Servers):
    """With one user, ``airflow``, and one database."""

    def __init__(self, password: str, port: int, database: str) -> None:
        # PostgreSQL does not run as root, and its user must reach the folder.
        super().__init__(Path(tempfile.mkdtemp(prefix="batchscore-db-")))
        self._user = "postgres" if os.geteuid() == 0 else None
        self._password = password
        self._port = port
        self._database = database
        if self._user:
            shutil.chown(self.folder, self._user)

    def url(self, driver: str = "", database: str | None = None) -> str:
        address = f"airflow:{self._password}@127.0.0.1:{self._port}"
        return f"postgresql{driver}://{address}/{database or self._database}"

    def up(self) -> None:
        password = self.folder / "password"
        password.write_text(self._password)
        data, folder = str(self.folder / "data"), str(self.folder)
        run_command(
            # UTF8, as Airflow asks for: without it and without a locale, a DAG's text must be ASCII.
            [
                _postgres("initdb"),
                "-D",
                data,
                "-E",
                "UTF8",
                "-A",
                "scram-sha-256",
                "-U",
                "airflow",
                "--pwfile",
                str(password),
            ],
            user=self._user,
            cwd=folder,
            env={"PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
        )
        options = ["-D", data, "-p", str(self._port), "-c", f"unix_socket_directories={folder}", "-h", "127.0.0.1"]
        self.start("postgres", _postgres("postgres"), *options, user=self._user)
        wait_for(self._create, 60)

    def _create(self) -> bool:
        import psycopg2

        try:
            connection = psycopg2.connect(self.url(database="postgres"))
        except psycopg2.OperationalError:
            return False
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {self._database}")
        connection.close()
        return True

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(Servers):
    """With a password made for this start."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._password = secrets.token_hex(16)
        self._port = free_port()

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def up(self) -> None:
        options = ["--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--dir", str(self.folder)]
        self.start("redis", "redis-server", *options, "--requirepass", self._password)
        wait_for(self._answers, 60)

    def _answers(self) -> bool:
        import redis

        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.ConnectionError:
            return False


class CeleryAirflow(Servers):
    """`stack` talks to it as to every other Airflow of the tests."""

    def __init__(self, folder: Path, dags: Path, database: PostgreSQL, broker: Redis, extra: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.stack = Stack(
            folder / "home",
            dags,
            extra={
                **extra,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url("+psycopg2"),
                "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
                "AIRFLOW__CELERY__BROKER_URL": broker.url,
                "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database.url('+psycopg2')}",
                "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
                "AIRFLOW__API__WORKERS": "1",
            },
        )

    def up(self) -> None:
        self.stack.run("db", "migrate")
        quiet = "--skip-serve-logs"  # their servers would listen beyond loopback
        parts = [["api-server"], ["scheduler"], ["dag-processor"], ["triggerer", quiet], ["celery", "worker", quiet]]
        for part in parts:
            self.start(part[0], sys.executable, "-m", "airflow", *part, **self.stack.env)
        self.stack.wait_until_up()


def _postgres(program: str) -> str:
    """Debian keeps the server's programs out of the path."""
    found = shutil.which(program) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))), None
    )
    assert found, f"{program} is not installed: run `make test-services`"
    return found
