"""One CSV file, whose statement lies beside it and belongs to these bytes only."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from publications import ids, publish, staged

from airflow_batchscore.errors import OutputError
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

BIG = 2**53 + 1


def _scored(folder: Path, *partitions: int, rows: int = 20) -> list[Manifest]:
    """Partitions with the ids 1000, 1001, ... (2000, ...)."""
    return [
        staged(folder / str(rows), p, pa.table({"id": range(1000 * p, 1000 * p + rows), "prediction": [0.5] * rows}))
        for p in partitions
    ]


def _keyed(folder: Path, *keys: pa.Array) -> list[Manifest]:
    """Partitions 0, 1, ... with these keys."""
    return [staged(folder, p, pa.table({"id": key, "prediction": [0.5] * len(key)})) for p, key in enumerate(keys)]


def test_texts_come_back_as_they_are(tmp_path: Path) -> None:
    texts = ["plain", 'with "quotes"', "two\nlines", "a,b", "", " x ", "007", "é"]
    publish(_keyed(tmp_path, pa.array(texts)), tmp_path / "out.csv")
    frame = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert frame["id"].tolist() == texts


def test_kept_partitions_are_copied_byte_for_byte(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    publish(_scored(tmp_path, 2), output)
    kept = output.read_bytes().partition(b"\n")[2]
    assert publish(_scored(tmp_path, 1, 3), output).changes.kept == ["p=2"]
    assert kept in output.read_bytes()
    assert {p: (rows[0], len(rows)) for p, rows in ids(output).items()} == {
        "1": (1000, 20),
        "2": (2000, 20),
        "3": (3000, 20),
    }


def test_a_file_that_was_edited_is_not_taken_for_the_published_one(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    publish(_scored(tmp_path, 1), output)
    output.write_text(output.read_text() + "1,99,1\n")
    with pytest.raises(OutputError, match="or was changed since"):
        publish(_scored(tmp_path, 2), output)


@pytest.mark.parametrize("said", ["{half", '{"format": 1}', '{"format": 2}'])
def test_a_statement_that_cannot_be_read_keeps_nothing(tmp_path: Path, said: str) -> None:
    output = tmp_path / "out.csv"
    publish(_scored(tmp_path, 1), output)
    (statement,) = (tmp_path / "_published" / "out.csv").iterdir()
    statement.write_text(said)
    with pytest.raises(OutputError, match="cannot be read by this version of the package.*replace_all=True"):
        publish(_scored(tmp_path, 2), output)
    publish(_scored(tmp_path, 3), output, replace_all=True)
    assert list(ids(output)) == ["3"]


def test_a_statement_that_was_written_before_a_crash_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.csv"
    publish(_scored(tmp_path, 1), output)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            publish(_scored(tmp_path, 2), output)
    assert list(ids(output)) == ["1"]
    assert publish(_scored(tmp_path, 3), output).changes.kept == ["p=1"]


def test_statements_of_files_that_are_gone_are_swept(tmp_path: Path) -> None:
    output, said = tmp_path / "out.csv", tmp_path / "_published" / "out.csv"
    publish(_scored(tmp_path, 1), output)
    (first,) = said.iterdir()
    publish(_scored(tmp_path, 2), output)
    assert len(list(said.iterdir())) == 2
    os.utime(first, (1, 1))
    third = _scored(tmp_path, 3)
    publish(third, output)
    assert first not in said.iterdir()
    assert publish(third, output, 1).changes.kept == ["p=1", "p=2"]


def test_the_keys_of_all_partitions_have_one_type(tmp_path: Path) -> None:
    publish(_keyed(tmp_path, pa.array([BIG]), pa.array([7.0])), tmp_path / "out.csv")
    assert pd.read_csv(tmp_path / "out.csv", dtype=str)["id"].tolist() == [str(BIG), "7"]


@pytest.mark.parametrize(
    "key", [pa.array([{"x": 1}]), pa.array([[1]]), pa.array([b"\xff"])], ids=lambda key: str(key.type)
)
def test_keys_that_no_csv_file_holds_are_refused_by_name(tmp_path: Path, key: pa.Array) -> None:
    manifests = _keyed(tmp_path, key)
    with pytest.raises(OutputError, match=r"has values that no CSV file holds in id \("):
        publish(manifests, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    publish(manifests, tmp_path / "out.parquet")
