"""Under which constraints a row of ``make test-matrix`` is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from matrix import Environment, Row

pytestmark = pytest.mark.unit

PUBLISHED = "# This constraints file was automatically generated on 2026-08-05T15:41:15\nnumpy==2.5.1\npandas==2.3.3\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Has Airflow's constraints for one version of Python."""
    path = tmp_path / "constraints-3.3.2" / "constraints-3.13.txt"
    path.parent.mkdir()
    path.write_text(PUBLISHED)
    monkeypatch.setenv("AIRFLOW_CONSTRAINTS", str(tmp_path))
    return tmp_path


def _environment(folder: Path, row: Row) -> Environment:
    environment = Environment(row, folder / "a.whl")
    environment.folder = folder
    return environment


def test_a_row_takes_airflows_constraints_as_they_are(folder: Path) -> None:
    environment = _environment(folder, Row("3.3", "3.13", "pandas2"))
    option, path = environment.constrain()
    assert (option, Path(path).read_text()) == ("-c", PUBLISHED)
    assert environment.constraints == "of 2026-08-05"


def test_a_row_of_another_pandas_takes_all_but_that(folder: Path) -> None:
    environment = _environment(folder, Row("3.3", "3.13", "pandas3"))
    _, path = environment.constrain()
    assert [line for line in Path(path).read_text().splitlines() if "==" in line] == ["numpy==2.5.1"]
    assert environment.constraints == "of 2026-08-05, but for their pandas 2"


def test_without_constraints_a_row_takes_the_packages_of_the_time(folder: Path) -> None:
    environment = _environment(folder, Row("3.2", "3.13", "pandas3"))
    assert environment.constrain() == ["--exclude-newer", "2026-05-29"]
    assert environment.constraints == "none; packages of 2026-05-29"
