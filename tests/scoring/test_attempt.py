"""A layout that cannot be read is cut again: it costs an attempt's parts, and never the partition."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import good_rows, scores, small

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
    (layout,) = Path(manifest.folder).glob("blocks-*.json")
    layout.write_text(content)
    ((again, _),) = data.score(1, block_rows=30)
    assert scores(again).equals(expected)
    assert json.loads(layout.read_text())["sources"]
    assert f"{layout} cannot be used, so the files are cut again" in caplog.text
