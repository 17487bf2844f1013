"""Arguments become the job that the operators make of the same arguments."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest
from support import small

from airflow_batchscore import Location, Trust
from airflow_batchscore.api.score import score
from airflow_batchscore.api.work import BY_HAND, ScoreOptions, who
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.scoring.job import ScoringJob

pytestmark = pytest.mark.unit


def test_left_out_options_are_the_operators_defaults(tmp_path: Path) -> None:
    data = small(tmp_path)
    work = ScoreOptions().work(data.dataset, data.model.uri, None, "/staged")
    job = ScoringJob(data.dataset, work.job.scored_with, "/staged", files={"p=0": 1})
    assert work.job == job
    assert [partition.key for partition in work.partitions] == ["p=0"]
    assert work.run.dag_id == BY_HAND
    assert work.run.run_id.endswith(who())
    forced = ScoreOptions(force=True).work(data.dataset, data.model.uri, None, "/staged")
    assert forced.job.token == forced.run.name


def test_untrusted_models_and_unknown_options(tmp_path: Path) -> None:
    data = small(tmp_path)
    with pytest.raises(ModelError, match="trusted"):
        ScoreOptions(trust=Trust((Location("/srv"),))).work(data.dataset, data.model.uri, None, "/staged")
    both: Any = [data.model.uri, data.model.uri]
    with pytest.raises(InputError, match="here, score one after the other"):
        ScoreOptions().work(data.dataset, both, None, "/staged")
    with pytest.raises(InputError, match="no option max_tasks"):
        ScoreOptions.of({"max_tasks": 1}, score)


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    assert who() == getpass.getuser()
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert who() == "somebody"
