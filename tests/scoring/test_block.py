"""A block writes one part; its errors name it; run again after its worker died, it takes the part that exists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from applied import block_job, calls, job_blocks
from support import good_rows, write_csv

from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.data.formats.parquet_footer import footer_digest
from airflow_batchscore.engine.rerun import call_again
from airflow_batchscore.errors import EngineError, InputChangedError, ModelError, ScoringError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.block import batches, empty_batch, score_block, writes_a_part
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob, find_result
from airflow_batchscore.scoring.scorers.scorer import BatchRules

pytestmark = pytest.mark.unit


def test_a_block_writes_its_part_with_the_result_in_its_footer(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", [*good_rows(21), (21, "text", 1, 0)])
    job = block_job(tmp_path)
    (block,) = job_blocks(job)
    result = score_block(job, block)
    assert result.account == Account(22, 18, 3, 1)
    assert (result.index, result.part, result.inputs, result.rows) == (0, "part-t-00000.parquet", "bytes", 18)
    assert result.footer == footer_digest(tmp_path / "staged" / result.part)
    assert find_result(job, 0) == replace(result, footer=""), "whether its footer is intact is not known later"
    part = pq.read_table(f"{tmp_path}/staged/{result.part}")
    assert part.column("id").to_pylist() == [n for n in range(21) if n % 7]
    assert part.column("x").to_pylist() == [(n % 17) / 2 for n in range(21) if n % 7]
    (bad,) = pq.read_table(f"{tmp_path}/staged/{result.quarantine}").to_pylist()
    assert (bad["row"], bad["file"], bad["error"]) == (21, f"{tmp_path}/part_1.csv", "ParseError")


def test_only_a_block_that_may_have_run_before_looks_for_its_part(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(20))
    job = block_job(tmp_path)
    (block,) = job_blocks(job)
    result = score_block(job, block)
    inode = (tmp_path / "staged" / result.part).stat().st_ino
    once = len(calls)
    assert call_again(score_block, job, block) == replace(result, footer="")
    assert len(calls) == once
    assert score_block(job, block) == replace(result, footer=""), "scored for nothing, and the part that exists is kept"
    assert len(calls) > once
    assert (tmp_path / "staged" / result.part).stat().st_ino == inode


def test_a_part_of_other_bytes_is_not_taken(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(20))
    (block,) = job_blocks(block_job(tmp_path))
    score_block(block_job(tmp_path), block)
    job = block_job(tmp_path, inputs="other bytes")
    assert call_again(score_block, job, block).inputs == "other bytes"
    assert calls
    assert find_result(block_job(tmp_path), 0) is None


@pytest.mark.parametrize("kind", [InputChangedError, ModelError, EngineError, OSError])
def test_an_error_keeps_its_kind_and_says_which_block_it_comes_from(tmp_path: Path, kind: type[Exception]) -> None:
    write_csv(tmp_path / "part_1.csv", good_rows(20))
    job = block_job(tmp_path)

    @writes_a_part
    def fails(job: BlockJob, block: Block) -> BlockResult:
        raise kind("the cause")

    with pytest.raises(kind, match=rf"^partition p=1, block 0 \({tmp_path}/part_1.csv, .*\): the cause$") as error:
        fails(job, job_blocks(job)[0])
    assert type(error.value) is kind


def test_a_block_with_too_many_bad_rows_leaves_no_part(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", [*good_rows(10), *((n, "text", 1, 0) for n in range(3))])
    job = block_job(tmp_path, rules=BatchRules(("id",), Limit(2), allow_nan=False))
    with pytest.raises(ScoringError, match=r"p=1, block 0.*3 of 13 rows cannot be scored, more than quarantine=2"):
        score_block(job, job_blocks(job)[0])
    assert not list(tmp_path.glob("staged/**/*.parquet"))


def test_a_block_without_rows_has_a_part_with_the_columns(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_1.csv", [])
    job = block_job(tmp_path)
    (block,) = job_blocks(job)
    assert [batch.table.num_rows for batch in batches(job, block)] == [0]
    result = score_block(job, block)
    assert result.account == Account()
    assert pq.read_schema(f"{tmp_path}/staged/{result.part}").names == ["id", "x"]
    assert calls == []


def test_an_empty_batch_has_every_column_with_its_type(tmp_path: Path) -> None:
    job = block_job(
        tmp_path, types={"a": "float64", "t": "timestamp[us]", "s": None}, key_types={"id": None, "n": "int64"}
    )
    batch = empty_batch(job)
    assert batch.table.schema == pa.schema([("a", pa.float64()), ("t", pa.timestamp("us")), ("s", pa.string())])
    assert batch.keys.schema == pa.schema([("id", pa.string()), ("n", pa.int64())])
    assert (batch.rows_read, len(batch.positions), batch.bad) == (0, 0, [])
