"""A part carries its own result; one that is given up, damaged or somebody else's counts as missing."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from applied import block_job, job_blocks
from manifests import block
from support import good_rows, write_csv

from airflow_batchscore.data.batch import BadRow
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import ScoringError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.block import score_block
from airflow_batchscore.scoring.part import check_limit, find_result, require_limit
from airflow_batchscore.scoring.scorers.scorer import BatchRules

pytestmark = pytest.mark.unit


def test_a_part_that_cannot_be_closed_hides_no_cause_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(100))
    job = block_job(tmp_path)
    (unit,) = job_blocks(job)

    def full(text: str) -> Any:
        def fail(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, text)

        return fail

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full("the first error"))
    monkeypatch.setattr(pq.ParquetWriter, "close", full("the second error"))
    with pytest.raises(OSError, match="the first error"):
        score_block(job, unit)
    monkeypatch.undo()
    assert [path for path in tmp_path.glob("staged/**/*") if path.is_file()] == []


RESULT = block(0, Account(2, 2, 0, 0)).to_dict()


@pytest.mark.parametrize(
    ("footer", "warned"),
    [
        (None, False),
        (json.dumps({**RESULT, "inputs": "other bytes"}), False),
        ("", False),
        ("{", True),
        ("[]", True),
        ("{}", True),
        (json.dumps({**RESULT, "unknown": 1}), True),
    ],
)
def test_a_file_that_is_no_part_of_these_bytes_counts_as_missing(
    tmp_path: Path, footer: str | None, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    job = block_job(tmp_path)
    assert find_result(job, 0) is None
    path = Path(job.part(0).uri)
    path.parent.mkdir()
    table = pa.table({"x": [1, 2]})
    pq.write_table(table if footer is None else table.replace_schema_metadata({b"batchscore": footer}), path)
    assert find_result(job, 0) is None
    assert (f"a part is damaged and counts as missing, its block is scored again: {path}" in caplog.text) is warned


def test_the_result_of_a_part_has_the_size_of_its_file(tmp_path: Path) -> None:
    job = block_job(tmp_path, inputs=RESULT["inputs"])
    path = Path(job.part(0).uri)
    path.parent.mkdir()
    pq.write_table(pa.table({"x": [1, 2]}).replace_schema_metadata({b"batchscore": json.dumps(RESULT)}), path)
    found = find_result(job, 0)
    assert found is not None
    assert found.to_dict() == {**RESULT, "bytes": path.stat().st_size}


def test_rows_that_an_earlier_run_quarantined_count_for_a_stricter_one() -> None:
    blocks = [block(0, Account(100, 99, 0, 1)), block(1, Account(50, 48, 0, 2))]
    require_limit(Limit(2), blocks, "partition p=1", Location("/s"))
    require_limit(Limit(0.04), blocks, "partition p=1", Location("/s"))
    for limit in (Limit(1), Limit(0.03)):
        with pytest.raises(ScoringError, match=r"partition p=1: .* put 2 of 50 rows of block 1 .* See /s/quarantine;"):
            require_limit(limit, blocks, "partition p=1", Location("/s"))


def test_too_many_bad_rows_are_refused_with_the_last_of_them(tmp_path: Path) -> None:
    bad = [BadRow(3, "ParseError", "expected a number"), BadRow(8, "ValueError", "no dates")]
    job = block_job(tmp_path, rules=BatchRules(("id",), Limit(1), allow_nan=False))
    check_limit(job, bad[:1], Account(9, 8, 0, 1))
    with pytest.raises(ScoringError, match="2 of 9 rows .* quarantine=1 allows; row 8 for one: ValueError: no dates"):
        check_limit(job, bad, Account(9, 7, 0, 2))
