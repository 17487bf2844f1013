"""Make the secrets of a deployment when it starts for the first time; later starts keep them.

usage: make_secrets.py FOLDER

Where the servers are stands in POSTGRES_ADDRESS, REDIS_ADDRESS (host:port) and S3_ENDPOINT (a URL).
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shlex
import sys
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[1])
    if (folder / "airflow.env").exists():
        print(f"{folder} holds the secrets already")
        return
    database, broker, password = (secrets.token_urlsafe(24) for _ in range(3))
    access_key, secret_key = secrets.token_hex(10), secrets.token_urlsafe(30)
    postgres = f"airflow:{database}@{os.environ['POSTGRES_ADDRESS']}/airflow"
    endpoint = os.environ["S3_ENDPOINT"]
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    aws = {"conn_type": "aws", "login": access_key, "password": secret_key, "extra": extra}
    airflow = {
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
        "AIRFLOW__CELERY__BROKER_URL": f"redis://:{broker}@{os.environ['REDIS_ADDRESS']}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{postgres}",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{postgres}",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
    }
    workers = {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
    }
    _write(folder / "passwords.json", json.dumps({"admin": password}))
    # These are read by other users, in containers of their own.
    _write(folder / "postgres_password", database, mode=0o644)
    _write(folder / "redis.conf", f"requirepass {broker}\n", mode=0o644)
    _write(folder / "s3.env", _exports({"S3_ACCESS_KEY": access_key, "S3_SECRET_KEY": secret_key}), mode=0o644)
    _write(folder / "workers.env", _exports(workers))
    _write(folder / "airflow.env", _exports(airflow))  # last: it says that all are there
    print(f"made the secrets in {folder}; the password of the user admin stands in {folder}/passwords.json")


def _exports(values: dict[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    path.chmod(mode)


if __name__ == "__main__":
    main()
