"""Which calls two models' attempts make together, and what is counted of their results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from manifests import block as result_of
from paired import challenger_of
from support import Small, good_rows, small

from airflow_batchscore import Recipe
from airflow_batchscore.errors import InputChangedError, InputError, ScoringError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.attempt import Attempt
from airflow_batchscore.scoring.block import score_block
from airflow_batchscore.scoring.pair_attempt import PairAttempt
from airflow_batchscore.scoring.part import BlockJob
from airflow_batchscore.scoring.prepare import Preparer
from airflow_batchscore.scoring.scorers.scorer import BatchRules
from airflow_batchscore.scoring.together import score_for_each

pytestmark = pytest.mark.unit

TEN = Account(10, 10, 0, 0)


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(60, 1000))
    return made


def _attempt(data: Small, model: Any, **options: Any) -> Attempt:
    job = data.job(model=model, **options)
    partition = job.dataset.pin(job.dataset.partition({"p": "1"}))
    prepared = Preparer(job).prepare(partition)
    rules = BatchRules(prepared.keys, job.limit, allow_nan=False)
    folder = job.output / model.version
    made = BlockJob(
        job.dataset, {"p": "1"}, prepared.scorer, prepared.types, prepared.key_types, rules, folder, "", "x"
    )
    return Attempt(job, made, partition, None, None)


def test_blocks_of_one_layout_are_called_together_and_counted_once(data: Small) -> None:
    challenger = challenger_of(data)
    pair = PairAttempt([_attempt(data, model, block_rows=20) for model in (data.model, challenger)], None)
    calls = pair.next_calls()
    assert pair.blocks == len(calls) > 1
    assert all(function is score_for_each and None not in together.calls for function, together, _ in calls)
    assert pair.given == {unit.index for *_, unit in calls}
    assert pair.next_calls() == []
    for *_, unit in calls:
        assert not pair.is_complete
        assert pair.add((result_of(unit.index, TEN), result_of(unit.index, TEN))).account == TEN
    assert pair.is_complete


def test_blocks_of_other_layouts_or_kinds_are_called_apart(data: Small) -> None:
    whole = challenger_of(data, Recipe(target="label", keys=["id"], columns=["a", "b"], row_wise=False))
    for ours, theirs in (
        (_attempt(data, data.model, block_rows=20), _attempt(data, challenger_of(data), block_rows=30)),
        (_attempt(data, data.model, block_rows=20), _attempt(data, whole, block_rows=20)),
    ):
        pair = PairAttempt([ours, theirs], None)
        calls = pair.next_calls()
        assert len(calls) == pair.blocks == ours.blocks + theirs.blocks
        counted = Account()
        for _, together, unit in calls:
            (place,) = (place for place, call in enumerate(together.calls) if call is not None)
            results = [None, None]
            results[place] = result_of(unit.index, TEN)  # type: ignore[call-overload]
            counted += pair.add(tuple(results)).account
        assert pair.is_complete
        assert counted.rows_read == 10 * ours.blocks, "of the champion alone"


def test_only_a_challenger_that_is_missing_is_called_and_counted(data: Small) -> None:
    pair = PairAttempt([None, _attempt(data, challenger_of(data))], None)
    ((_, together, unit),) = pair.next_calls()
    assert together.calls[0] is None
    function, _ = together.calls[1]  # type: ignore[misc]
    assert function is score_block
    assert pair.add((None, result_of(unit.index, TEN))).account == TEN
    assert pair.is_complete


def test_a_challenger_that_fails_is_given_up_and_a_champion_that_fails_raises(data: Small) -> None:
    challenger = challenger_of(data)
    pair = PairAttempt([_attempt(data, model, block_rows=20) for model in (data.model, challenger)], None)
    calls = pair.next_calls()
    for *_, unit in calls:
        pair.add((result_of(unit.index, TEN), ScoringError(f"no {unit.index}")))
    assert pair.is_complete
    assert pair.problem == "no 0"
    with pytest.raises(InputError, match="broken"):
        pair.add((InputError("broken"), result_of(0, TEN)))
    with pytest.raises(InputChangedError, match="other bytes"):  # a retry may mend it
        pair.add((result_of(0, TEN), InputChangedError("other bytes")))
