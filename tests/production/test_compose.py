"""docker-compose.yaml: its services start, are healthy, and score the matches from the S3 server."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
from commands import run_command
from compose import Compose
from runs import succeed
from support import ROOT, Wta, wait_for

pytestmark = [pytest.mark.production, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def compose(matches: Wta, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    with Compose(tmp_path_factory.mktemp("compose"), matches.folder) as running:
        yield running


def _exported(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", path.read_text(), re.MULTILINE))


def _s3(compose: Compose) -> Any:
    keys = _exported(compose.secrets / "workers.env")
    return boto3.client(
        "s3",
        endpoint_url=keys["AWS_ENDPOINT_URL"],
        region_name=keys["AWS_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


def test_the_file_is_one_that_compose_understands() -> None:
    run_command(["docker-compose", "-f", str(ROOT / "docker-compose.yaml"), "config", "-q"], check=True)


def test_every_service_is_healthy(compose: Compose) -> None:
    for service in compose.processes.keys() - {"redis"}:  # its check has the port of a container
        if compose.services[service].get("restart") != "no":
            assert compose.healthy(service), service


def test_the_matches_are_scored_from_the_s3_server_and_survive_its_restart(compose: Compose, matches: Wta) -> None:
    succeed(compose.api(), "wta_batch_scoring", {"years": [2014, 2015]})

    def published() -> pd.DataFrame:
        found = _s3(compose).get_object(Bucket="batchscore", Key="wta/predictions.parquet")
        scores = pd.read_parquet(io.BytesIO(found["Body"].read()))
        # The scheduled run may have published all years before; a run of two leaves the others as they are.
        return scores[scores["year"].isin([2014, 2015])].reset_index(drop=True)

    pd.testing.assert_frame_equal(published(), matches.plain_predictions([2014, 2015]))
    compose.processes["s3"].terminate()
    compose.processes["s3"].wait(30)
    process = compose.start("s3", *compose.command("s3"), **compose.environment("s3"))
    compose.processes["s3"] = process
    wait_for(lambda: compose.healthy("s3"), 120)
    pd.testing.assert_frame_equal(published(), matches.plain_predictions([2014, 2015]))


def test_a_second_start_keeps_the_secrets(compose: Compose) -> None:
    before = {path.name: path.read_text() for path in compose.secrets.iterdir()}
    command, environment = compose.command("secrets"), compose.environment("secrets")
    assert compose.start("secrets", *command, **environment).wait(60) == 0
    assert {path.name: path.read_text() for path in compose.secrets.iterdir()} == before
    readable = {path.name for path in compose.secrets.iterdir() if path.stat().st_mode & 0o077}
    assert readable == {"postgres_password", "redis.conf", "s3.env"}


def test_only_the_ui_is_published_and_on_loopback(compose: Compose) -> None:
    published = {name: service["ports"] for name, service in compose.services.items() if "ports" in service}
    assert published == {"api-server": ["127.0.0.1:8080:8080"]}
