"""An Airflow that is too old says so in one sentence, wherever the package is imported first."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT

pytestmark = pytest.mark.unit

ROOMS = ["links", "notifications", "operators", "plugin", "plugin.web", "sensors"]


def _said(folder: Path, room: str) -> list[str]:
    """The lines of an import of a room that fails where `folder` holds what is installed."""
    code = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]; import airflow_batchscore.{room}"
    done = run_command([sys.executable, "-S", "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    return list(done.stderr.splitlines())


def _last_line(folder: Path, room: str) -> str:
    return _said(folder, room)[-1]


def _install(folder: Path, version: str) -> None:
    """An Airflow of which nothing but its version is there."""
    name = "apache_airflow" if version.startswith("2.") else "apache_airflow_core"
    installed = folder / f"{name}-{version}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("version", ["2.11.2", "3.0.6", "3.1.8rc1"])
def test_an_airflow_that_is_too_old_is_named_with_the_version_that_is_needed(
    tmp_path: Path, version: str, room: str
) -> None:
    _install(tmp_path, version)
    assert _last_line(tmp_path, room) == (
        f"ImportError: airflow_batchscore needs Apache Airflow 3.2 or newer, and this is {version}: "
        "upgrade Airflow, or uninstall airflow-batchscore"
    )


def test_a_plugin_that_is_refused_says_so_beside_the_log_which_airflow_plugins_silences(tmp_path: Path) -> None:
    _install(tmp_path, "3.1.8")
    assert _said(tmp_path, "plugin")[0].startswith("airflow_batchscore needs Apache Airflow 3.2 or newer, and this is")


@pytest.mark.parametrize("room", ROOMS)
def test_without_an_airflow_the_rooms_that_need_one_say_so(tmp_path: Path, room: str) -> None:
    said = "ImportError: airflow_batchscore needs Apache Airflow 3.2 or newer for its operators, and there is none"
    assert _last_line(tmp_path, room).startswith(said)


@pytest.mark.parametrize("version", ["3.2.0b1", "3.10.0"])
def test_a_supported_airflow_is_not_refused(tmp_path: Path, version: str) -> None:
    _install(tmp_path, version)
    assert _last_line(tmp_path, "plugin") == "ModuleNotFoundError: No module named 'airflow'", "what else is lacking"
