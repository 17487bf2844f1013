"""A function is tried on the first rows: what a retry mends stays something that is retried."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.errors import InputChangedError, RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.scoring import trial
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["x"]] * 2


def test_a_function_that_fails_on_numbers_taken_for_text_is_told_the_column(tmp_path: Path) -> None:
    (tmp_path / "part_1.csv").write_text("id,x\n1,1\n2,5\n3,n.a.\n")
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")
    function = FunctionJob(FunctionRef.of(lambda rows: rows[["x"]] - 1))
    job = ScoringJob(dataset, function, f"{tmp_path}/staged", keys=("id",))
    with pytest.raises(RecipeError, match=r"raised TypeError: .*'x' is text, .*: 'n\.a\.'. Declare its type") as caught:
        score_partitions(job, [{"p": "1"}], LocalDask(workers=1))
    assert "output_types" not in str(caught.value)


@pytest.mark.parametrize("changed", ["1", "2"])
def test_a_file_that_changes_while_a_function_is_tried_is_for_a_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """The partition itself, or another one that is looked at because it has no rows."""
    first = "id,x\n" if changed == "2" else "id,x\n1,1\n"
    (tmp_path / "part_1.csv").write_text(first)
    (tmp_path / "part_2.csv").write_text("id,x\n2,2\n")
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")
    function = FunctionJob(FunctionRef.of(doubled))
    job = ScoringJob(dataset, function, f"{tmp_path}/staged", keys=("id",), allow_empty=True)
    read = trial.read

    def change(*args: Any) -> Any:
        monkeypatch.setattr(trial, "read", read)
        path = tmp_path / f"part_{changed}.csv"
        (tmp_path / "new").write_text(path.read_text() + "3,3\n")
        os.replace(tmp_path / "new", path)
        return read(*args)

    def score() -> int:
        return score_partitions(job, [{"p": "1"}], LocalDask(workers=1))[0][0].account.rows_scored

    if changed == "2":  # nothing of the first is read
        monkeypatch.setattr(trial, "read", lambda *args: iter(()))
        cut = trial.cut

        def at_the_second(dataset: Any, partition: Any, **options: Any) -> Any:
            blocks = cut(dataset, partition, **options)
            if partition.key == "p=2":
                monkeypatch.setattr(trial, "read", change)
            return blocks

        monkeypatch.setattr(trial, "cut", at_the_second)
    else:
        monkeypatch.setattr(trial, "read", change)
    with pytest.raises(InputChangedError, match=rf"partition p={changed}: .*part_{changed}\.csv changed"):
        score()
    monkeypatch.undo()
    assert score() == (0 if changed == "2" else 2)
