"""A dataset with a model, in the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Small, good_rows, small

from airflow_batchscore.model.reference import set_alias


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """``part_0.csv`` to ``part_2.csv``, one of whose rows is bad, and ``model@champion``."""
    made = small(tmp_path)
    made.add(1, good_rows(30, 1000))
    made.add(2, [*good_rows(30, 2000), (9, "x", 1, 0)])
    set_alias(f"{tmp_path}/model", "champion", made.model, 1)
    monkeypatch.chdir(tmp_path)
    return made
