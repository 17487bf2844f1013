"""What several tests of training start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import good_rows, write_csv

from airflow_batchscore import LocalDask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four partitions of 400 rows."""
    for partition in range(4):
        write_csv(tmp_path / f"part_{partition}.csv", good_rows(400, 400 * partition))
    return tmp_path


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Of a cluster of two worker processes."""
    with LocalDask(workers=2).client() as client:
        yield client
