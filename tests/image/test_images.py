"""What docker-compose.yaml runs in the images starts, is healthy, and scores the matches from the S3 server."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_dist import version
from containers import Containers
from runs import succeed
from support import ROOT, Wta

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def compose(wta: Wta) -> Iterator[Containers]:
    # Not below pytest's own folder, which nobody else may enter: the images' users must reach their volumes.
    folder = Path(tempfile.mkdtemp(prefix="compose-", dir=ROOT / ".image"))
    folder.chmod(0o711)
    data = folder / "data" / "wta-matches"
    data.mkdir(parents=True)
    for path in wta.folder.glob("*.csv"):
        (data / path.name).write_bytes(path.read_bytes())
    with Containers(folder, data) as running:
        yield running
    shutil.rmtree(folder)


def _listed(compose: Containers, kind: str) -> list[dict[str, str]]:
    """What `airflow <kind> list` shows, whose last line is the list: warnings of the log may stand above it."""
    lines = compose.inside("scheduler", "airflow", kind, "list", "-o", "json").splitlines()
    found: list[dict[str, str]] = json.loads(lines[-1])
    return found


def test_airflow_in_the_image_lists_the_provider_and_the_examples(compose: Containers) -> None:
    assert compose.inside("scheduler", "airflow", "version").split()[-1] >= "3.3"
    providers = _listed(compose, "providers")
    assert {found["package_name"]: found["version"] for found in providers}["airflow-batchscore"] == version(ROOT)
    assert "No data found" in compose.inside("scheduler", "airflow", "dags", "list-import-errors")
    dags = _listed(compose, "dags")
    assert {"wta_batch_scoring", "wta_yearly_scoring"} <= {found["dag_id"] for found in dags}


def test_every_service_is_healthy(compose: Containers) -> None:
    lasting = [name for name in compose.processes if compose.services[name].get("restart") != "no"]
    assert {"api-server", "scheduler", "worker", "s3", "dask-scheduler", "spark-master"} <= set(lasting)
    assert [name for name in lasting if not compose.healthy(name)] == []


def test_nobody_in_the_images_is_root(compose: Containers) -> None:
    users = {name: compose.inside(name, "id", "-u").strip() for name in ("worker", "spark-worker")}
    assert users == {"worker": "50000", "spark-worker": "50000"}


def test_the_matches_are_scored_by_the_worker(compose: Containers, wta: Wta) -> None:
    succeed(compose.api(), "wta_batch_scoring", {"years": [2014, 2015]})
    script = (
        "import io, pandas as pd; from airflow.providers.amazon.aws.hooks.s3 import S3Hook;"
        "found = S3Hook('aws_default').get_key('wta/predictions.parquet', 'batchscore').get()['Body'].read();"
        "print(len(pd.read_parquet(io.BytesIO(found)).query('year in (2014, 2015)')))"
    )
    printed = compose.inside("worker", "python", "-c", script)
    assert int(printed.split()[-1]) == len(wta.plain_predictions([2014, 2015]))


def test_another_example_runs_in_one_process_with_the_model_of_that_run(compose: Containers) -> None:
    """`airflow dags test` is `dag.test()`. Its model is the champion that the run above trained."""
    said = compose.inside("worker", "airflow", "dags", "test", "wta_yearly_scoring", "2014-01-01")
    assert "success" in said
