"""What docs/your-model.md and the first run of docs/tutorial.md tell a newcomer to save and to type, done."""

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

#: A block of a page: its language, the file to save it as, its text.
_BLOCK = re.compile(r'^```(python|sh)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
#: Airflow and this package are installed here already, and `airflow standalone` never ends.
_NEEDLESS = ("python3 -m venv", ". venv", "pip install", "airflow standalone")


def _blocks(page: str) -> list[tuple[str, str, str]]:
    """The blocks of a page in docs/; no other kind of block is on it."""
    text = (ROOT / "docs" / page).read_text()
    found = _BLOCK.findall(text)
    assert 2 * len(found) == text.count("```")
    return found


def _script(page: str) -> str:
    """Saves the files and runs the commands of a page, from top to bottom."""
    lines, needless = [], 0
    for language, name, text in _blocks(page):
        if language == "sh":
            typed = [line for line in text.splitlines() if not line.startswith(_NEEDLESS)]
            needless += len(text.splitlines()) - len(typed)
            lines += typed
        else:
            assert name, "a file is saved under its title"
            folder = os.path.dirname(name) or "."
            lines += [f"mkdir -p {folder}", f"cat >{name} <<'END OF THE FILE'", text.rstrip("\n"), "END OF THE FILE"]
    assert needless == len(_NEEDLESS)
    return "\n".join(lines)


def _run(script: str, folder: Path, environment: Mapping[str, str]) -> str:
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = run_command(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return str(done.stdout)


def test_the_files_and_commands_of_the_pages_publish_scores(tmp_path: Path, wta: Wta) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {"HOME": str(tmp_path / "home"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = _run(_script("your-model.md"), tmp_path, environment)
    folder = tmp_path / "home" / "first-scores"
    scores = pd.read_parquet(folder / "scores.parquet")
    assert list(scores) == ["year", "order", "prediction"]
    assert scores.groupby("year").size().to_dict() == {2022: 5000, 2023: 5000, 2024: 5000}
    assert "5000 of 5000 are the same" in said
    assert len(list(folder.glob("_runs/scores.parquet/score_orders/*/publish.report.html"))) == 1
    assert len(list(folder.glob("models/returns/*/model.json"))) == 2

    # "Nothing is imported or scored twice."
    settings = {"AIRFLOW_HOME": f"{tmp_path}/airflow", "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    _run("airflow dags test score_orders", tmp_path, {**environment, **settings})
    assert len(list(folder.glob("staged/year=*/*/manifests/*.json"))) == 3
    assert len(list(folder.glob("models/returns/*/model.json"))) == 2

    # The tutorial's first run, on the database that is there now.
    (first,) = re.findall(
        r"^airflow dags test wta_batch_scoring .*2012\.\.2016.*$", _typed("tutorial.md"), re.MULTILINE
    )
    home = tmp_path / "wta"
    examples = {"WTA_HOME": str(home), "WTA_MATCHES_DIR": str(wta.folder), "WTA_SCHEDULE": ""}
    _run(first, tmp_path, {**environment, **settings, **examples, "AIRFLOW__CORE__DAGS_FOLDER": f"{ROOT}/dags"})
    published = pd.read_parquet(home / "predictions.parquet")
    pd.testing.assert_frame_equal(published, wta.plain_predictions(range(2012, 2017)))


def _typed(page: str) -> str:
    return "".join(text for language, _, text in _blocks(page) if language == "sh")
