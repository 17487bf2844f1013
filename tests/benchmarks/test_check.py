"""Equal predictions are equal in any order and any number of files, and nothing else is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import run_command

pytestmark = [pytest.mark.unit, pytest.mark.slow]

CHECK = Path(__file__).parent / "check.py"
KEYS = np.arange(1000)
SCORES = np.random.default_rng(0).random(1000)


def write(folder: Path, keys: np.ndarray, scores: np.ndarray, *, name: str = "score", files: int = 1) -> Path:
    folder.mkdir()
    for number, (some_keys, some) in enumerate(
        zip(np.array_split(keys, files), np.array_split(scores, files), strict=True)
    ):
        pq.write_table(pa.table({"id": some_keys, name: some}), folder / f"{number}.parquet")
    return folder


def check(*arguments: object) -> int:
    return run_command([sys.executable, str(CHECK), *map(str, arguments)], capture_output=True).returncode


def test_order_files_and_the_name_of_the_column_do_not_matter(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference", KEYS, SCORES)
    order = np.random.default_rng(1).permutation(1000)
    found = write(tmp_path / "found", KEYS[order], SCORES[order], name="prediction_1", files=3)
    assert check(reference, found) == 0


@pytest.mark.parametrize(
    ("keys", "scores"),
    [
        (KEYS[:-1], SCORES[:-1]),
        (KEYS, np.where(KEYS == 7, SCORES + 1e-3, SCORES)),
        (KEYS, np.r_[SCORES[1], SCORES[0], SCORES[2:]]),
        (np.where(KEYS == 7, 8, KEYS), SCORES),
    ],
    ids=["a row less", "another score", "scores of other rows", "another key"],
)
def test_what_differs_is_told(tmp_path: Path, keys: np.ndarray, scores: np.ndarray) -> None:
    reference = write(tmp_path / "reference", KEYS, SCORES)
    assert check(reference, write(tmp_path / "found", keys, scores)) == 1


def test_a_tolerance_is_absolute(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference", KEYS, SCORES)
    found = write(tmp_path / "found", KEYS, SCORES + 5e-7)
    assert (check(reference, found), check("--within", "1e-6", reference, found)) == (1, 0)
    assert check("--within", "1e-7", reference, found) == 1
