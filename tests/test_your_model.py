"""What docs/getting-started.md and the first run of docs/tutorial.md tell a newcomer to save and to type, done."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from commands import run_command
from support import ROOT, Wta

pytestmark = [pytest.mark.dag, pytest.mark.timeout(600)]


def _typed(page: str) -> list[str]:
    return "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).splitlines()


def _run(script: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    command = ["bash", "-euo", "pipefail", "-c", "\n".join(script)]
    done = run_command(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_files_and_commands_of_the_pages_publish_scores(tmp_path: Path, wta: Wta) -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text()
    for name, text in re.findall(r'```python title="([^"]+)"\n(.*?)```', page, re.DOTALL):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    typed = _typed(page)
    # Airflow and this package are installed here already, and `airflow standalone` never ends.
    needless = ("python3 -m venv", ". venv", "pip install", "airflow standalone")
    script = [line for line in typed if not line.startswith(needless)]
    assert len(typed) - len(script) == 4
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {"HOME": str(tmp_path / "home"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    _run(script, tmp_path, environment)
    folder = tmp_path / "home" / "first-scores"
    scores = pd.read_parquet(folder / "scores.parquet")
    assert list(scores) == ["year", "order", "prediction"]
    assert scores.groupby("year").size().to_dict() == {2022: 5000, 2023: 5000, 2024: 5000}
    assert len(list(folder.glob("_runs/scores.parquet/first_scores/*/publish.report.html"))) == 1

    # The tutorial's first run, on the database that is there now.
    first = next(line for line in _typed((ROOT / "docs" / "tutorial.md").read_text()) if "dags test" in line)
    home = tmp_path / "wta"
    settings = {"AIRFLOW_HOME": f"{tmp_path}/airflow", "AIRFLOW__CORE__DAGS_FOLDER": f"{ROOT}/dags"}
    examples = {"WTA_HOME": str(home), "WTA_MATCHES_DIR": str(wta.folder), "WTA_SCHEDULE": ""}
    _run([first], tmp_path, {**environment, **settings, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", **examples})
    published = pd.read_parquet(home / "predictions.parquet")
    pd.testing.assert_frame_equal(published, wta.plain_predictions(range(2012, 2017)))
