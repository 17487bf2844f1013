"""A layout that cannot be read is cut again: it costs an attempt's parts, and never the partition."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from support import good_rows, scores, small

from airflow_batchscore.engine.base import Engine
from airflow_batchscore.errors import EngineError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"sources": [{}], "blocks": []}',
        '{"sources": [], "blocks": [[1]]}',
        '{"sources": [], "blocks": [[0, 1, 2, 3, 4]]}',
        '{"sources": 1, "blocks": 2}',
        '{"sources": ["x"], "blocks": []}',
    ],
)
def test_an_unreadable_layout_is_cut_again(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(100))
    ((manifest, _),) = data.score(1, block_rows=30)
    expected = scores(manifest)
    Path(manifest.uri).unlink()
    (layout,) = Path(manifest.folder.uri).glob("blocks-*.json")
    layout.write_text(content)
    ((again, _),) = data.score(1, block_rows=30)
    assert scores(again).equals(expected)
    assert json.loads(layout.read_text())["sources"]
    assert f"{layout} cannot be used, so the files are cut again" in caplog.text


def test_a_partition_of_one_block_writes_no_layout_and_a_retry_finds_its_part(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(100))
    ((manifest, _),) = data.score(1)
    assert not list(Path(manifest.folder.uri).glob("blocks-*.json"))
    Path(manifest.uri).unlink()
    ((again, _),) = data.score(1)
    assert again.rows_this_attempt == 0
    assert scores(again).equals(scores(manifest))


class Forgetful(Engine):
    """Runs every block and keeps the last result to itself."""

    block_memory = None

    def session(self, slots: int = 1) -> Any:
        return contextlib.nullcontext(self)

    def run(self, function: Any, arguments: Any, *, remote: bool = False) -> Any:
        yield from [function(*each) for each in arguments][:-1]

    def describe(self) -> dict[str, Any]:
        return {}


def test_an_engine_that_loses_a_result_fails_the_task_and_a_retry_takes_what_was_scored(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(100))
    with pytest.raises(EngineError, match=r"p=1: .*Forgetful.* returned no result for the blocks 3\. .*defect"):
        data.score(1, block_rows=30, engine=Forgetful())
    ((manifest, _),) = data.score(1, block_rows=30)
    assert (manifest.rows, manifest.rows_this_attempt) == (100, 0)
