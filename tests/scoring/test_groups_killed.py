"""ScorerSpec on groups that is killed while rows are sorted into buckets, or while buckets are worked on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from commands import start_command
from support import ROOT, scores, wait_for, write_csv

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = [pytest.mark.unit, pytest.mark.slow]

ROWS = 4000
BLOCKS = 40
#: A bucket takes long, so that a kill comes while rows are sorted, or between two buckets.
SLOW = """
import os, time
import pandas as pd


def slow(rows):
    time.sleep(float(os.environ.get("SLOW", 0)))
    return pd.DataFrame({"rows": [len(rows)], "total": [rows["x"].sum()]})
"""
RUN = """
import sys
sys.path[:0] = [{tests!r}, {folder!r}]
from pathlib import Path
from test_groups_killed import apply
apply(Path({folder!r}), "killed")
"""


def apply(folder: Path, output: str) -> tuple[Manifest, bool]:
    job = ScoringJob(
        PartitionedDataset(f"{folder}/part_{{p}}.csv"),
        FunctionJob(FunctionRef("slow_groups:slow"), ("site",)),
        f"{folder}/{output}",
        block_rows=ROWS // BLOCKS,
    )
    ((manifest, reused),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=2, processes=False))
    return manifest, reused


@pytest.mark.parametrize("parts", [5, BLOCKS + 10])
def test_a_retry_does_what_is_missing_and_ends_like_an_undisturbed_run(
    tmp_path: Path, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_groups.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    rows = [(n, n * 7919 % 300, n % 13) for n in range(ROWS)]
    write_csv(tmp_path / "part_1.csv", rows, header=("id", "site", "x"))
    paths = f"{ROOT}/tests{os.pathsep}{ROOT}/tests/scoring{os.pathsep}{tmp_path}"
    environment = {**os.environ, "SLOW": "0.02", "PYTHONPATH": paths}
    command = [sys.executable, "-c", RUN.format(tests=f"{ROOT}/tests/scoring", folder=str(tmp_path))]
    killed = start_command(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(tmp_path.glob("killed/p=1/*/part-*"))) >= parts, 60)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(10) == -signal.SIGKILL
    assert not list(tmp_path.glob("killed/p=1/*/manifests/*.json"))
    there = {path: path.stat().st_mtime_ns for path in tmp_path.glob("killed/p=1/*/part-*.parquet")}
    manifest, reused = apply(tmp_path, "killed")
    assert not reused
    now = {path: path.stat().st_mtime_ns for path in tmp_path.glob("killed/p=1/*/part-*.parquet")}
    assert {path: now[path] for path in there} == there
    undisturbed, _ = apply(tmp_path, "undisturbed")
    assert manifest.account == undisturbed.account
    pd.testing.assert_frame_equal(scores(manifest), scores(undisturbed))
    assert sorted(scores(manifest)["total"]) == sorted(pd.read_csv(tmp_path / "part_1.csv").groupby("site")["x"].sum())
    assert not list(tmp_path.glob("killed/p=1/*/groups/*"))


def test_what_blocks_were_sorted_into_is_sorted_again_where_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_groups.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    write_csv(tmp_path / "part_1.csv", [(n, n % 30, n % 13) for n in range(ROWS)], header=("id", "site", "x"))
    first, _ = apply(tmp_path, "scores")
    Path(first.uri).unlink()
    parts = sorted(Path(first.folder.uri).glob("part-*.parquet"))
    parts[-1].unlink()  # a bucket is missing, and the sorted rows were removed at the commit
    again, _ = apply(tmp_path, "scores")
    pd.testing.assert_frame_equal(scores(again), scores(first))


def test_a_commit_leaves_what_another_attempt_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_groups.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    write_csv(tmp_path / "part_1.csv", [(n, n % 30, n % 13) for n in range(ROWS)], header=("id", "site", "x"))
    first, _ = apply(tmp_path, "scores")
    Path(first.uri).unlink()
    names = {"of-another-attempt": 0, "of-long-ago": 2 * 24 * 3600}
    for name, age in names.items():
        path = Path(first.folder.uri, "groups", f"part-{name}-00000.parquet")
        path.write_text("rows")
        os.utime(path, (time.time() - age, time.time() - age))
    apply(tmp_path, "scores")
    assert [path.name for path in Path(first.folder.uri, "groups").iterdir()] == [
        "part-of-another-attempt-00000.parquet"
    ]
