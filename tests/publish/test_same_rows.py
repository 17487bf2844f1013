"""Rows of two models side by side: the n-th is the n-th only where nobody left one out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import manifest

from airflow_batchscore.errors import GateError
from airflow_batchscore.publish import same_rows
from airflow_batchscore.publish.same_rows import SideBySide, side_by_side, stretches
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.manifest import BlockResult, Manifest

pytestmark = pytest.mark.unit

#: A part: the rows that were read, and (key, score) of those that were scored.
Rows = list[tuple[int, list[tuple[str, float]]]]


def committed(folder: Path, parts: Rows, keys: tuple[str, ...] = ("k",), left_out: Sequence[str] = ()) -> Manifest:
    """A manifest over parts of one key column and one output."""
    folder.mkdir(exist_ok=True)
    blocks = []
    for index, (read, rows) in enumerate(parts):
        columns: dict[str, Any] = {
            "k": pa.array([key for key, _ in rows], pa.string()),
            "prediction": pa.array([score for _, score in rows], pa.float64()),
        }
        table = pa.table({name: columns[name] for name in (*keys, "prediction")})
        path = folder / f"part-{index}.parquet"
        pq.write_table(table, path)
        account = Account(read, len(rows), read - len(rows), 0)
        rest = left_out[index] if left_out else ""
        blocks.append(
            BlockResult(index, path.name, None, path.stat().st_size, account, {}, {}, len(rows), "x", left_out=rest)
        )
    schema = {field.name: str(field.type) for field in table.schema}
    return manifest(folder, blocks=blocks, keys=list(keys), schema=schema)


def _rows(*keys: str, score: float = 0.0) -> list[tuple[str, float]]:
    return [(key, score + n) for n, key in enumerate(keys)]


def _matched(ours: Manifest, theirs: Manifest) -> list[SideBySide]:
    return [side_by_side(stretch, ["prediction"]) for stretch in stretches(ours, theirs)]


def test_blocks_of_which_every_row_was_scored_are_matched_by_position(tmp_path: Path) -> None:
    ours = committed(tmp_path / "a", [(2, _rows("x", "x")), (0, []), (1, _rows("x"))])
    theirs = committed(tmp_path / "b", [(2, _rows("x", "x", score=5)), (1, _rows("x", score=7))])
    found = _matched(ours, theirs)
    assert [(side.first, side.challenger.column("prediction").to_pylist()) for side in found] == [
        (0, [5.0, 6.0]),
        (2, [7.0]),
    ]
    assert found[0].champion.column("prediction").to_pylist() == [0.0, 1.0]


def test_blocks_that_end_elsewhere_are_taken_together_but_not_without_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = committed(tmp_path / "a", [(2, _rows("a", "b")), (2, _rows("c", "d"))])
    theirs = committed(tmp_path / "b", [(1, _rows("a")), (3, _rows("b", "c", "d"))])
    (side,) = _matched(ours, theirs)
    assert side.champion.column("k").to_pylist() == side.challenger.column("k").to_pylist() == ["a", "b", "c", "d"]
    monkeypatch.setattr(same_rows, "MOST_ROWS", 3)
    (side,) = _matched(ours, theirs)
    assert (side.champion.num_rows, side.unmatched) == (0, 4)


def test_rows_that_one_left_out_are_matched_by_keys(tmp_path: Path) -> None:
    ours = committed(tmp_path / "a", [(6, _rows("a", "b", "c", "e", "e"))])
    theirs = committed(tmp_path / "b", [(6, _rows("d", "c", "b", "e", score=10))])
    (side,) = _matched(ours, theirs)
    assert side.champion.to_pylist() == [{"k": "b", "prediction": 1.0}, {"k": "c", "prediction": 2.0}]
    assert side.challenger.to_pylist() == [{"k": "b", "prediction": 12.0}, {"k": "c", "prediction": 11.0}]
    assert (side.champion_alone, side.challenger_alone, side.unmatched, side.first) == (1, 1, 2, None)


def test_rows_without_keys_are_matched_where_both_left_out_the_same(tmp_path: Path) -> None:
    ours, theirs = (
        committed(tmp_path / name, [(3, _rows("", "")), (2, _rows("", ""))], keys=(), left_out=["f00", ""])
        for name in "ab"
    )
    assert [(side.champion.num_rows, side.first) for side in _matched(ours, theirs)] == [(2, None), (2, 3)]
    other = committed(tmp_path / "c", [(3, _rows("", "")), (2, _rows("", ""))], keys=(), left_out=["ba7", ""])
    assert [side.unmatched for side in _matched(ours, other)] == [2, 0]


def test_rows_without_keys_are_counted_unless_only_one_has_any(tmp_path: Path) -> None:
    ours = committed(tmp_path / "a", [(3, _rows("", ""))], keys=())
    theirs = committed(tmp_path / "b", [(3, _rows("", "", ""))], keys=())
    (side,) = _matched(ours, theirs)
    assert (side.champion.num_rows, side.unmatched) == (0, 3)
    (side,) = _matched(ours, committed(tmp_path / "c", [(3, [])], keys=()))
    assert (side.champion_alone, side.challenger_alone, side.unmatched) == (2, 0, 0)


def test_scores_of_other_bytes_or_rows_are_not_compared(tmp_path: Path) -> None:
    ours = committed(tmp_path / "a", [(2, _rows("a", "b"))])
    theirs = committed(tmp_path / "b", [(1, _rows("a"))])
    with pytest.raises(ValueError, match="2 rows were read for the champion, 1 for the challenger"):
        list(stretches(ours, theirs))
    with pytest.raises(ValueError, match="files changed"):
        list(stretches(ours, replace(ours, files=[])))


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    ours = committed(tmp_path / "a", [(2, _rows("a", "b"))])
    (tmp_path / "a" / "part-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(GateError, match=r"partition year=2015: .*part-0\.parquet is damaged"):
        _matched(ours, ours)
