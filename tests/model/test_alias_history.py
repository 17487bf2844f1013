"""An alias's file says who moved it when; files without a history still work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import Small, small

from airflow_batchscore.model.alias_history import MOST_MOVES, moves_of
from airflow_batchscore.model.reference import ModelRef, alias_uri, resolve, set_alias

pytestmark = pytest.mark.unit


@pytest.fixture
def made(tmp_path: Path) -> Small:
    return small(tmp_path)


def _base(made: Small) -> str:
    return made.model.location.parent.uri


def _pointer(made: Small) -> Path:
    return Path(alias_uri(_base(made), "champion"))


def _other(made: Small) -> ModelRef:
    other = ModelRef(f"{_base(made)}/other", made.model.digest)
    shutil.copytree(Path(made.model.uri), Path(other.uri))
    return other


def test_each_move_is_kept_with_who_made_it_and_a_confirmation_is_none(made: Small) -> None:
    other = _other(made)
    set_alias(_base(made), "champion", made.model, 1, "wta/run 1")
    set_alias(_base(made), "champion", made.model, 2, "wta/run 2")
    set_alias(_base(made), "champion", other, 3, "ann")
    assert not set_alias(_base(made), "champion", made.model, 1, "late/run")
    moves = moves_of(json.loads(_pointer(made).read_text()))
    assert [(move.version, move.by) for move in moves] == [(made.model.version, "wta/run 1"), ("other", "ann")]
    assert all(move.when.endswith("+00:00") and move.digest == made.model.digest for move in moves)


def test_a_file_without_a_history_works_and_begins_one(made: Small) -> None:
    _pointer(made).parent.mkdir()
    old = {"version": made.model.version, "digest": made.model.digest, "began": 1_700_000_000_000_000_000}
    _pointer(made).write_text(json.dumps(old))
    assert resolve(f"{_base(made)}@champion") == made.model
    (move,) = moves_of(old)
    assert (move.version, move.when, move.by) == (made.model.version, "2023-11-14T22:13:20+00:00", "")
    set_alias(_base(made), "champion", _other(made), old["began"] + 1, "ann")
    assert [move.by for move in moves_of(json.loads(_pointer(made).read_text()))] == ["", "ann"]


def test_only_the_last_moves_are_kept(made: Small) -> None:
    refs = [made.model, _other(made)]
    for began in range(MOST_MOVES + 3):
        set_alias(_base(made), "champion", refs[began % 2], began, str(began))
    moves = moves_of(json.loads(_pointer(made).read_text()))
    assert [move.by for move in moves] == [str(began) for began in range(3, MOST_MOVES + 3)]
    assert moves_of({}) == []
