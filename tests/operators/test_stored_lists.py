"""Long lists lie on storage, short ones go as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError
from airflow_batchscore.operators.stored_lists import MOST_INLINE, full, shortened

pytestmark = pytest.mark.dag

LONG = [{"n": str(number)} for number in range(MOST_INLINE + 1)]


def test_a_short_list_and_one_without_a_folder_go_as_they_are(tmp_path: Path) -> None:
    assert shortened(LONG[1:], Location(str(tmp_path))) == LONG[1:]
    assert shortened(LONG, None) == LONG
    assert full([LONG[1:], LONG]) == [LONG[1:], LONG]
    assert not list(tmp_path.iterdir())


def test_a_long_list_is_a_small_reference_that_a_retry_makes_again(tmp_path: Path) -> None:
    reference = shortened(LONG, Location(str(tmp_path)))
    assert reference == shortened(LONG, Location(str(tmp_path)))
    assert reference["items"] == len(LONG)
    assert len(json.dumps(reference)) < 400
    assert full([reference, LONG[:2]]) == [LONG, LONG[:2]]


@pytest.mark.parametrize(("damage", "said"), [(Path.unlink, "is gone"), (lambda p: p.write_text("[]"), "was altered")])
def test_a_list_that_is_gone_or_altered_is_said_to_be(tmp_path: Path, damage: Any, said: str) -> None:
    reference = shortened(LONG, Location(str(tmp_path)))
    damage(Path(reference["list"]))
    with pytest.raises(GateError, match=f"{said}: clear the task that wrote it"):
        full([reference])
