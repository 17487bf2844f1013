"""One reading of a block for two models: only where it changes nothing for either of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from paired import challenger_of
from support import Small, good_rows, small

from airflow_batchscore import Recipe
from airflow_batchscore.data import blocks as blocks_module
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.attempt import Attempt
from airflow_batchscore.scoring.block import score_block
from airflow_batchscore.scoring.manifest import BlockResult
from airflow_batchscore.scoring.part import BlockJob
from airflow_batchscore.scoring.prepare import Preparer
from airflow_batchscore.scoring.scorers.scorer import BatchRules
from airflow_batchscore.scoring.together import Together, score_for_each, score_in_one_reading

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(50, 1000))
    return made


def _job(data: Small, model: Any, name: str, **options: Any) -> BlockJob:
    job = data.job(model=model, **options)
    partition: Partition = job.dataset.pin(job.dataset.partition({"p": "1"}))
    prepared = Preparer(job).prepare(partition)
    assert isinstance(job.scored_with, OneModel)
    rules = BatchRules(prepared.keys, job.limit, allow_nan=False)
    folder = job.output / name
    made = BlockJob(
        job.dataset, {"p": "1"}, prepared.scorer, prepared.types, prepared.key_types, rules, folder, "", "x"
    )
    return Attempt(job, made, partition, None, None).next_calls()[0][1]


def _block(data: Small) -> Any:
    job = data.job()
    return blocks_module.cut(job.dataset, job.dataset.pin(job.dataset.partition({"p": "1"})), block_rows=1000)[0]


def _together(*jobs: BlockJob) -> Together:
    return Together(tuple((score_block, job) for job in jobs))


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The columns of each reading of a block."""
    seen: list[list[str]] = []

    def counting(read: Any) -> Any:
        def counted(dataset: Any, block: Any, columns: Any, keys: Any = None) -> Any:
            seen.append(list(columns))
            return read(dataset, block, columns, keys)

        return counted

    from airflow_batchscore.scoring import block

    monkeypatch.setattr(block, "read", counting(block.read))
    return seen


@pytest.mark.parametrize(
    ("columns", "read"), [(["a", "b"], [["a", "b"]]), (["b"], [["a", "b"]]), (["b", "label"], [["a", "b", "label"]])]
)
def test_a_block_is_read_once_with_the_columns_of_both(
    data: Small, readings: list[list[str]], columns: list[str], read: list[list[str]]
) -> None:
    challenger = challenger_of(data, Recipe(target=_label, keys=["id"], columns=columns))
    jobs = _job(data, data.model, "one"), _job(data, challenger, "other")
    results = score_for_each(_together(*jobs), _block(data))
    assert [result.account for result in results if isinstance(result, BlockResult)] == [Account(50, 50, 0, 0)] * 2
    assert readings == read


def _label(frame: Any) -> Any:
    return frame["label"]


def test_a_row_that_is_bad_for_one_is_read_for_each(data: Small, readings: list[list[str]]) -> None:
    rows = good_rows(50, 1000)
    data.add(1, [*rows[:20], (1020, "?", 1, 0), *rows[21:]])
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], columns=["b"]))
    jobs = _job(data, data.model, "one"), _job(data, challenger, "other")
    assert score_in_one_reading(jobs, _block(data)) is None
    assert not list((data.folder / "staged").glob("o*/part-*"))
    one, other = score_for_each(_together(*jobs), _block(data))
    assert isinstance(one, BlockResult)
    assert isinstance(other, BlockResult)
    assert (one.account, other.account) == (Account(50, 49, 0, 1), Account(50, 50, 0, 0))
    assert readings == [["a", "b"], ["a", "b"], ["a", "b"], ["b"]], "twice together, which gave nothing"


def test_a_column_in_two_types_is_read_for_each(data: Small, readings: list[list[str]]) -> None:
    data.add(0, [(n, f"{a}", f"{b}x", label) for n, a, b, label in good_rows(200)])
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], columns=["a", "b"]))
    jobs = _job(data, data.model, "one"), _job(data, challenger, "other")
    assert jobs[0].types["b"] != jobs[1].types["b"]
    results = score_for_each(_together(*jobs), _block(data))
    assert all(isinstance(result, BlockResult) for result in results)
    assert len(readings) == 2


def test_what_fails_one_leaves_the_other_its_part_and_names_the_block(
    data: Small, readings: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "together_failing.py").write_text(
        "def fails(frame):\n    return frame[['a', 'b']] if frame['id'].astype(int).max() < 1000 else 1 / 0\n"
    )
    challenger = challenger_of(data, Recipe(features="together_failing:fails", target="label", keys=["id"]))
    jobs = _job(data, data.model, "one", limit=Limit(3)), _job(data, challenger, "other", limit=Limit(3))
    done, failed = score_for_each(_together(*jobs), _block(data))
    assert isinstance(done, BlockResult)
    assert isinstance(failed, BatchScoreError)
    assert "partition p=1, block 0" in str(failed)
    assert "ZeroDivisionError" in str(failed)
    assert len(readings) == 1
    assert [path.parent.name for path in (data.folder / "staged").glob("o*/part-*")] == ["one"]


def test_one_alone_is_scored_as_ever(data: Small, readings: list[list[str]]) -> None:
    job = _job(data, data.model, "one")
    nothing, result = score_for_each(Together((None, (score_block, job))), _block(data))
    assert nothing is None
    assert isinstance(result, BlockResult)
    assert len(readings) == 1


def test_a_file_without_rows_gives_both_a_part_with_columns(data: Small) -> None:
    data.add(1, [])
    challenger = challenger_of(data)
    jobs = _job(data, data.model, "one"), _job(data, challenger, "other")
    results = score_for_each(_together(*jobs), _block(data))
    assert [result.rows for result in results if isinstance(result, BlockResult)] == [0, 0]


def test_a_damaged_file_fails_both(data: Small) -> None:
    challenger = challenger_of(data)
    jobs = _job(data, data.model, "one"), _job(data, challenger, "other")
    block = _block(data)
    (data.folder / "part_1.csv").write_text("id,a,b,label\n1,2\n")
    results = score_for_each(_together(*jobs), block)
    assert all(isinstance(result, BatchScoreError) for result in results)
