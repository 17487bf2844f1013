"""A part whose bytes are damaged counts as missing: it is scored again, and never believed or retried for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import Small, good_rows, scores, small

from airflow_batchscore.errors import InputError, RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.scoring.job import FunctionJob

pytestmark = pytest.mark.unit


def damage(path: Path, how: str = "thrift") -> None:
    """Overwrite some bytes of a Parquet footer, leaving the file's size as it was."""
    whole = path.read_bytes()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    at = start if how == "thrift" else whole.index(b"rows_read")
    path.write_bytes(whole[:at] + b"\xff" * 40 + whole[at + 40 :])


def _scored(folder: Path) -> tuple[Small, Any]:
    data = small(folder)
    data.add(1, good_rows(200))
    ((manifest, _),) = data.score(1, block_rows=50)
    return data, manifest


@pytest.mark.parametrize("how", ["thrift", "account"])
def test_an_attempt_scores_the_block_of_a_damaged_part_again(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    data, manifest = _scored(tmp_path)
    before = scores(manifest)
    Path(manifest.uri).unlink()
    damage(Path(manifest.folder.uri) / manifest.blocks[1].part, how)
    ((again, _),) = data.score(1, block_rows=50)
    assert scores(again).equals(before)
    assert again.rows_this_attempt == manifest.blocks[1].account.rows_read
    assert f"{manifest.blocks[1].part}: " in caplog.text
    assert "its block is scored again" in caplog.text


def test_the_audit_names_a_damaged_part_and_what_to_do(tmp_path: Path) -> None:
    _, manifest = _scored(tmp_path)
    damage(Path(manifest.folder.uri) / manifest.blocks[1].part)
    (problem,) = audit([manifest.partition], [manifest]).problems
    assert "partition p=1" in problem
    assert manifest.blocks[1].part in problem
    assert problem.endswith("score it again with force")


def test_a_damaged_footer_of_an_input_fails_at_once_and_names_the_file(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from airflow_batchscore import PartitionedDataset

    data = small(tmp_path)
    pq.write_table(pa.table({"id": range(50), "a": [1.0] * 50, "b": [1.0] * 50}), tmp_path / "p_1.parquet")
    damage(tmp_path / "p_1.parquet")
    with pytest.raises(InputError, match=r"partition p=1: .*p_1\.parquet cannot be read as Parquet"):
        data.score(1, dataset=PartitionedDataset(f"{tmp_path}/p_{{p}}.parquet"))


def _add_up(folder: Path) -> Any:
    def add_up(rows: Any) -> Any:
        if (folder / "stop").exists():
            raise RecipeError("stopped between sorting and adding up")
        return rows[["a"]].sum().to_frame("total")

    return add_up


@pytest.mark.parametrize("how", ["thrift", "pages"])
def test_rows_that_were_sorted_into_a_damaged_file_are_sorted_again(tmp_path: Path, how: str) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(400))
    job = {"scored_with": FunctionJob(FunctionRef.of(_add_up(tmp_path)), ("b",), None, {"total": "double"})}
    (tmp_path / "stop").touch()
    with pytest.raises(RecipeError, match="between sorting and adding up"):
        data.score(1, block_rows=100, **job)
    spilled = sorted(tmp_path.glob("staged/**/groups/*.parquet"))[1]
    (tmp_path / "stop").unlink()
    if how == "thrift":
        damage(spilled)
    else:
        whole = spilled.read_bytes()
        spilled.write_bytes(whole[:4] + b"\xff" * 300 + whole[304:])
    with pytest.raises(OSError, match="is damaged, a retry sorts the rows of its block again"):
        data.score(1, block_rows=100, **job)
    ((manifest, _),) = data.score(1, block_rows=100, **job)
    plain = pd.DataFrame(good_rows(400), columns=["id", "a", "b", "label"]).groupby("b")["a"].sum()
    assert scores(manifest).set_index("b")["total"].sort_index().tolist() == plain.tolist()
