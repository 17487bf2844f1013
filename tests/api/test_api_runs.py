"""Runs are found by what they left, whoever ran them; the newest first."""

from __future__ import annotations

from pathlib import Path

import pytest
from operator_calls import audited, handed_scores, published
from support import good_rows, small

from airflow_batchscore import runs, score
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


def test_runs_by_hand_and_of_dags(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(30, 1000))
    out, staged = tmp_path / "out.parquet", f"{tmp_path}/staged"
    handed = handed_scores(data, "r", 1, 1)
    published(audited(handed, "r", 1), "r", out)
    data.add(2, good_rows(10, 2000))
    by_hand = score(data.dataset, data.model.uri, "1..2", output_uri=staged, publish_to=str(out))
    newest, first = runs(str(out))
    assert (first.run, first.kind, first.passed, first.changes["added"]) == ("d/r", "published", True, 1)
    assert newest.run == by_hand.run.name
    assert (newest.model, first.model) == (data.model.version, data.model.version)
    assert (newest.changes["added"], newest.changes["unchanged"], newest.rows_scored) == (1, 1, 40)
    assert [run.run for run in runs(staged)] == [by_hand.run.name, "d/r"]
    assert [run.kind for run in runs(staged, most=1)] == ["checked"]
    assert first.to_dict()["file"].endswith("summary.json")


def test_a_place_without_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run left a trace in .*/nothing/_runs"):
        runs(f"{tmp_path}/nothing")


def test_a_file_of_somebody_else_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "out/_runs").mkdir(parents=True)
    (tmp_path / "out/_runs/x.summary.json").write_text("{}")
    assert runs(f"{tmp_path}/out") == []
