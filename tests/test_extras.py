"""The table of extras in docs/installing.md says what pyproject.toml says."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from support import ROOT

pytestmark = pytest.mark.unit

EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
#: Extra, what it brings, what it is needed for, size.
ROW = re.compile(r"^\| `([a-z0-9-]+)` \|(.*)\|(.*)\|(.*)\|$", re.MULTILINE)
ROWS = {found[1]: found for found in ROW.finditer((ROOT / "docs" / "installing.md").read_text())}


def test_each_extra_has_its_row() -> None:
    assert ROWS.keys() == EXTRAS.keys()


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_row_names_what_the_extra_brings(extra: str) -> None:
    packages = [Requirement(text) for text in EXTRAS[extra]]
    brought = [
        f"{package.name}[{','.join(sorted(package.extras))}]" if package.extras else package.name
        for package in packages
    ]
    assert re.findall(r"`([^`]+)`", ROWS[extra][2]) == sorted(brought)
    assert ROWS[extra][3].strip()


def test_all_is_each_extra_but_those_that_the_page_explains() -> None:
    (everything,) = (Requirement(text) for text in EXTRAS["all"])
    text = (ROOT / "docs" / "installing.md").read_text()
    left_out = set(re.findall(r"^- \*\*`([a-z-]+)`\*\*", text, re.MULTILINE))
    # dask-ml comes with airflow; worker is empty.
    assert everything.extras | left_out | {"dask-ml", "worker", "all"} == EXTRAS.keys()
    assert not everything.extras & left_out


#: Imported by code that runs only where these packages are: what they bring, by the name that is imported.
BROUGHT = {
    "apache-airflow": {"airflow", "fastapi", "pydantic", "sqlalchemy", "celery", "openlineage"},
    "dask": {"dask", "distributed", "psutil"},
    "scikit-learn": {"sklearn", "threadpoolctl"},
    "boto3": {"boto3", "botocore"},
    "google-cloud-storage": {"google", "requests"},
    "azure-identity": {"azure"},
}


def test_what_is_imported_is_declared_and_not_only_there_by_chance() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
    declared = {Requirement(text).name for text in texts}
    assert declared >= BROUGHT.keys()
    known = declared | {module for modules in BROUGHT.values() for module in modules} | {"airflow_batchscore"}
    assert _imported() - known - sys.stdlib_module_names == set()


def _imported() -> set[str]:
    """First names of the modules that the package imports when it runs, not of those that only type checkers see."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text()) for path in (ROOT / "airflow_batchscore").rglob("*.py")]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        waiting += ast.iter_child_nodes(node)
    return found
