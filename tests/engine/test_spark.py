"""`Spark`: its settings, and a master inside the task. `tests/production` has servers of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT, SCORE_IN_SPARK

from airflow_batchscore import Spark
from airflow_batchscore.errors import InputError

pytestmark = [pytest.mark.unit, pytest.mark.slow]


def test_master_and_conn_id_together_are_refused() -> None:
    with pytest.raises(InputError, match="not both"):
        Spark(master="local[2]", conn_id="spark")


@pytest.mark.parametrize(
    ("host", "port", "master"),
    [
        ("spark://host:7077", None, "spark://host:7077"),
        ("host", 7077, "spark://host:7077"),
        ("spark://host", 7077, "spark://host:7077"),
        ("yarn", None, "yarn"),
        ("local[2]", None, "local[2]"),
    ],
)
def test_an_airflow_connection_gives_the_master(host: str, port: int | None, master: str) -> None:
    assert Spark(conn_id="spark").connected(host, port, {}).master == master


def test_a_machine_without_java_is_told_so(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="it pins pandas<3")
    script = SCORE_IN_SPARK.format(tests=str(ROOT / "tests"), folder=str(tmp_path))
    environment = {**os.environ, "JAVA_HOME": "", "PATH": "/nowhere"}
    done = run_command(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert "EngineError: Spark does not start here" in done.stderr
    assert "It needs Java 17 (JAVA_HOME)" in done.stderr
