"""Airflow as production has it: PostgreSQL, Redis, CeleryExecutor, and each part a process of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from servers import Servers
from stack import Stack, free_port
from support import wait_for


class Database(Servers):
    """PostgreSQL and Redis, each with a password made for this start."""

    def __init__(self) -> None:
        # PostgreSQL does not run as root, and its user must reach the folder.
        super().__init__(Path(tempfile.mkdtemp(prefix="batchscore-db-")))
        self._user = "postgres" if os.geteuid() == 0 else None
        self._password = secrets.token_hex(16)
        self._ports = [free_port(), free_port()]
        if self._user:
            shutil.chown(self.folder, self._user)

    @property
    def sql(self) -> str:
        return f"postgresql+psycopg2://airflow:{self._password}@127.0.0.1:{self._ports[0]}/postgres"

    @property
    def broker(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._ports[1]}/0"

    def up(self) -> None:
        (self.folder / "password").write_text(self._password)
        data = str(self.folder / "data")
        folder, bare = str(self.folder), {"PATH": os.environ["PATH"]}
        auth = ["--auth", "scram-sha-256", "--username", "airflow", "--pwfile", str(self.folder / "password")]
        subprocess.run(
            [_postgres("initdb"), "-D", data, *auth],
            user=self._user,
            cwd=folder,
            env=bare,
            check=True,
            capture_output=True,
        )
        options = ["-D", data, "-p", str(self._ports[0]), "-c", f"unix_socket_directories={folder}"]
        self.start("postgres", _postgres("postgres"), *options, "-h", "127.0.0.1", user=self._user)
        redis = ["--bind", "127.0.0.1", "--port", str(self._ports[1]), "--requirepass", self._password]
        self.start("redis", "redis-server", *redis, "--save", "", "--dir", folder)
        wait_for(self._answers, 60)

    def _answers(self) -> bool:
        import psycopg2
        import redis

        try:
            psycopg2.connect(self.sql.replace("+psycopg2", "")).close()
            return bool(redis.Redis.from_url(self.broker).ping())
        except (psycopg2.OperationalError, redis.ConnectionError):
            return False

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class CeleryAirflow(Servers):
    """`stack` talks to it as to every other Airflow of the tests."""

    def __init__(self, folder: Path, dags: Path, database: Database, extra: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.stack = Stack(
            folder / "home",
            dags,
            extra={
                **extra,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.sql,
                "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
                "AIRFLOW__CELERY__BROKER_URL": database.broker,
                "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database.sql}",
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
