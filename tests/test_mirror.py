"""The tests mirror the package: who changes a file finds its tests by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ROOT

pytestmark = pytest.mark.unit

PACKAGE = ROOT / "airflow_batchscore"
TESTS = ROOT / "tests"
#: A smaller file is a piece of its neighbours, and is tested with them.
LARGE = 80
#: Files whose behaviour shows only beside others': the test file that proves it.
PROVED_BY: dict[str, str] = {
    # data
    "data/formats/base.py": "data/formats/test_conformance.py",
    "data/storage/driver.py": "data/storage/test_drivers.py",
    # model
    # training
    # plan
    # engine
    "engine/environments/there.py": "engine/environments/test_calls.py",
    # scoring
    "scoring/in_progress.py": "scoring/test_partition.py",
    # spark
    "spark/table.py": "production/test_spark_tables.py",
    # publish
    # operators
    # plugin
    "plugin/recent_runs.py": "plugin/test_run_list.py",
}
FILES = sorted(
    str(path.relative_to(PACKAGE))
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py" and len(path.read_text().splitlines()) >= LARGE
)


def _has_named_test(file: str) -> bool:
    """``test_train.py``; ``test_train_operator.py`` where another room has a ``train.py``: names are unique."""
    folder, name = TESTS / Path(file).parent, Path(file).stem
    return any(any(folder.glob(pattern)) for pattern in (f"test_{name}.py", f"test_{name}_*.py", f"test_*_{name}.py"))


@pytest.mark.parametrize("file", FILES)
def test_a_file_with_behaviour_has_a_test_file_of_its_name(file: str) -> None:
    assert _has_named_test(file) or (TESTS / PROVED_BY[file]).is_file()


def test_the_table_names_only_files_without_a_test_file_of_their_own() -> None:
    assert set(PROVED_BY) <= {file for file in FILES if not _has_named_test(file)}
