"""What a user types: the demo, ``airflow dags test``, and a wheel installed into an Airflow."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from commands import run_command
from support import ROOT, Wta

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]


def _demo(home: Path, wta: Wta, *options: str) -> str:
    environment = {**os.environ, "WTA_MATCHES_DIR": str(wta.folder)}
    command = [sys.executable, "scripts/demo.py", "--home", str(home), *options]
    done = run_command(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_equals_ten_lines_of_pandas_and_a_second_one_reuses_all(wta: Wta, tmp_path: Path) -> None:
    output = _demo(tmp_path, wta)
    published = tmp_path / "predictions.parquet"
    found = pd.read_parquet(published)
    pd.testing.assert_frame_equal(found, wta.plain_predictions())
    summary = json.loads((tmp_path / "summary.json").read_text())
    rows = {row["values"]["year"]: row for row in summary["partitions"]}
    assert len(rows) == 17
    for year, row in rows.items():
        assert row["rows_read"] == row["rows_scored"] + row["rows_skipped"] + row["rows_quarantined"]
        assert row["rows_read"] == len(pd.read_csv(wta.folder / f"wta_matches_{year}.csv"))
        assert not row["reused"]
        assert f"year={year}" in output
    if wta.real:
        assert [rows[year]["rows_scored"] for year in ("2000", "2015", "2016")] == [2575, 2620, 2807]
    assert len(summary["model"]["digest"]) == 64
    assert summary["model"]["metrics"]["accuracy"] >= 0.9
    assert (tmp_path / "report.html").stat().st_size > 5000

    before = (published.stat().st_mtime_ns, published.read_bytes())
    output = _demo(tmp_path, wta)
    assert "17 of 17 partitions were committed before and not scored again" in output
    assert (published.stat().st_mtime_ns, published.read_bytes()) == before


def test_dags_test_runs_the_example(wta: Wta, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "WTA_MATCHES_DIR": str(wta.folder),
        "WTA_HOME": str(tmp_path / "wta"),
    }

    def airflow(*command: str) -> None:
        run_command([sys.executable, "-m", "airflow", *command], env=environment, check=True, capture_output=True)

    airflow("db", "migrate")
    airflow("dags", "test", "wta_batch_scoring", "2026-10-01", "-c", '{"years": [2014]}')
    found = pd.read_parquet(tmp_path / "wta" / "predictions.parquet")
    pd.testing.assert_frame_equal(found, wta.plain_predictions([2014]))


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


def test_a_model_that_decays_is_trained_again_without_a_person(wta: Wta, tmp_path: Path) -> None:
    output = _demo(tmp_path, wta, "--dag", "model_decay")
    assert re.search(r"decay_retrain: run asset_triggered__", output)
    rows = [line.split() for line in output.splitlines() if "rmse" in line and "month=" in line]
    assert [(row[1], row[-1] == "decayed") for row in rows[:2]] == [("month=2026-02", False), ("month=2026-06", True)]
    assert re.search(r"champion +[0-9a-f]{12}, trained on month=2026-06: rmse", output)
    models = tmp_path / "model_decay" / "models" / "price"
    champion = json.loads((models / "aliases" / "champion.json").read_text())["version"]
    assert json.loads((models / champion / "model.json").read_text())["training"]["partitions"] == ["month=2026-06"]
    assert len(list(models.glob("*/model.json"))) == 2
