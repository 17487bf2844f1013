"""A part that is given up leaves nothing behind, and its cause is said."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import good_rows, small

from airflow_batchscore import LocalDask

pytestmark = pytest.mark.unit


def test_a_part_that_cannot_be_closed_hides_no_cause_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(100))

    def full(text: str) -> Any:
        def fail(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, text)

        return fail

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full("the first error"))
    monkeypatch.setattr(pq.ParquetWriter, "close", full("the second error"))
    with pytest.raises(OSError, match="the first error"):
        data.score(1, engine=LocalDask(workers=1, processes=False))
    monkeypatch.undo()
    left = [path for path in tmp_path.glob("staged/**/*") if path.is_file() and not path.name.startswith("blocks-")]
    assert left == []
