"""A wheel installed into an Airflow."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]


def test_a_wheel_in_another_environment_is_a_working_provider(tmp_path: Path) -> None:
    run_command([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert not [name for name in names if name.startswith(("dags", "tests", "scripts"))]
        assert "airflow_batchscore/publish/report.html.j2" in names
        # An environment whose own packages come first, and that sees this one's Airflow but not its checkout.
        venv = tmp_path / "venv"
        run_command([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        (site,) = venv.glob("lib/python*/site-packages")
        archive.extractall(site)
    (ours,) = Path(sys.prefix).glob("lib/python*/site-packages")
    (site / "airflow.pth").write_text(f"{ours}\n")
    environment = {"AIRFLOW_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}

    def run(*command: str) -> str:
        done = run_command(
            [venv / "bin" / "python", *command], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert str(site) in run("-c", "import airflow_batchscore; print(airflow_batchscore.__file__)")
    assert "airflow-batchscore" in run("-m", "airflow", "providers", "list")
    details = run("-m", "airflow", "providers", "get", "airflow-batchscore", "--full", "--output", "json")
    for piece in ("operators.score", "sensors.partition", "triggers.partition", "RunReportLink", "trusted_model_uris"):
        assert piece in details
    assert "batchscore" in run("-m", "airflow", "plugins")
