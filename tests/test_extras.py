"""The table of extras in docs/installing.md says what pyproject.toml says."""

from __future__ import annotations

import re
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
