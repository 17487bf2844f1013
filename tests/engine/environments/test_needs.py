from __future__ import annotations

import tomllib

import pytest
from support import ROOT

from airflow_batchscore.engine.environments import needs
from airflow_batchscore.errors import EngineError

pytestmark = pytest.mark.unit

LINES = needs.requirements([])
ENOUGH = dict.fromkeys(needs.names(LINES), "9999")


def test_a_python_needs_what_the_package_depends_on_but_for_older_versions_that_work() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    named = {line.split(">")[0].split("[")[0] for line in declared}
    assert set(needs.names(LINES)) == named
    assert "scikit-learn>=1.3" in LINES
    assert needs.requirements(["/data/x.csv", "models:/x@y"]) == LINES


def test_a_storages_libraries_are_needed_where_the_task_has_them() -> None:
    assert set(needs.requirements(["s3://bucket/x", "/data"])) - set(LINES) == {"boto3>=1.35"}
    assert "boto3>=1.35" in needs.requirements()
    assert any(line.startswith("boto3==") for line in needs.versions_of_task())
    assert needs.requirements(["gs://bucket/x"]) == LINES  # they are not installed here


def test_a_python_that_has_enough_is_accepted() -> None:
    needs.check("/p", LINES, (3, 11, 7), {**ENOUGH, "pandas": "3.0.0", "scikit-learn": "1.3.2"})


@pytest.mark.parametrize(
    ("version", "installed", "said"),
    [
        ((3, 10, 2), ENOUGH, "/p is Python 3.10.2; a model's Python must be 3.11 or newer"),
        ((3, 12, 0), {**ENOUGH, "pandas": "3", "joblib": None}, "lacks joblib: .* /p -m pip install 'joblib>=1.4'$"),
        (
            (3, 12, 0),
            {**ENOUGH, "pandas": "3", "scikit-learn": "1.2.0"},
            r"scikit-learn >=1.3 \(it has 1.2.0\): .* 'scikit-learn>=1.3'$",
        ),
    ],
)
def test_what_is_missing_is_said_with_what_to_type(
    version: tuple[int, ...], installed: dict[str, str | None], said: str
) -> None:
    with pytest.raises(EngineError, match=said):
        needs.check("/p", LINES, version, installed)
