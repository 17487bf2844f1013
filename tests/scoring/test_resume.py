"""What a killed attempt leaves is not done again, and what did not change is not scored again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import engine_work
import pandas as pd
import pytest
from commands import run_command, start_command
from support import ROOT, Small, good_rows, scores, small, wait_for

from airflow_batchscore import LocalDask
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = [pytest.mark.unit, pytest.mark.slow]

BLOCKS = 100

_SLOW_FEATURES = """
import os
import time


def slow(frame):
    # The last row's block takes long, so that the kill at 99 % comes before the end.
    time.sleep(float(os.environ.get("SLOW", 0)) * (500 if (frame["a"] == 99).any() else 1))
    return frame[["a", "b"]]
"""

_SCORE = """
import json, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {folder!r}]
from support import Small
from airflow_batchscore import LocalDask, Recipe
from airflow_batchscore.model.reference import ModelRef
data = Small(Path({folder!r}), ModelRef(**{model!r}), None)
done = data.score(*{partitions!r}, block_rows={block_rows}, engine=LocalDask(workers=2, processes=False))
print(json.dumps([[manifest.key, reused, manifest.rows_this_attempt] for manifest, reused in done]))
"""


def _command(data: Small, partitions: list[int], block_rows: int) -> list[str]:
    model = {"uri": data.model.uri, "digest": data.model.digest}
    values = {"tests": f"{ROOT}/tests", "folder": str(data.folder), "model": model}
    return [sys.executable, "-c", _SCORE.format(**values, partitions=partitions, block_rows=block_rows)]


def _parts(data: Small) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in data.folder.glob("staged/p=1/*/part-*.parquet")}


@pytest.mark.parametrize("percent", [10, 99])
def test_a_retry_after_sigkill_scores_only_what_is_missing(
    tmp_path: Path, percent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / f"slow_features_{percent}.py"  # another name each time: this process imports it, too
    module.write_text(_SLOW_FEATURES)
    monkeypatch.syspath_prepend(tmp_path)
    data = small(tmp_path, features=f"{module.stem}:slow")
    data.add(1, [(n, n % 7 if n < 10_999 else 99, n % 3, 0) for n in range(10_000, 10_000 + 10 * BLOCKS)])
    command = _command(data, [1], block_rows=10)
    environment = {**os.environ, "SLOW": "0.02"}
    killed = start_command(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(_parts(data)) >= percent * BLOCKS // 100, 60)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(10) == -signal.SIGKILL
    there = _parts(data)
    assert not list(tmp_path.glob("staged/p=1/*/manifests/*.json"))
    rows_there = sum(len(pd.read_parquet(path)) for path in there)
    assert rows_there >= percent * 10 * BLOCKS // 100 * 0.95

    ((key, reused, rows),) = json.loads(_run(command))
    assert (key, reused) == ("p=1", False)
    assert rows == 10 * BLOCKS - rows_there
    assert {path: stamp for path, stamp in _parts(data).items() if path in there} == there
    if percent == 99:
        assert rows < 0.05 * 10 * BLOCKS
    ((manifest, reused),) = data.score(1)
    assert reused
    assert scores(manifest)["id"].tolist() == list(range(10_000, 10_000 + 10 * BLOCKS))


def _run(command: list[str]) -> str:
    done = run_command(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def test_only_what_changed_is_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "my_features.py"
    source = "OTHER = 1\n\n\ndef pick(frame):\n    # both\n    return frame[['a', 'b']]\n"
    module.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    data = small(tmp_path, features="my_features:pick")
    for number in (1, 2, 3):
        data.add(number, good_rows(50, 100 * number))
    command = _command(data, [1, 2, 3], block_rows=20)

    def reused() -> list[bool]:
        return [reused for _, reused, _ in json.loads(_run(command))]

    assert reused() == [False] * 3
    data.add(2, good_rows(51, 200))
    assert reused() == [True, False, True]
    (tmp_path / "elsewhere.py").write_text("# a comment in another file\n")
    module.write_text(source.replace("# both", "# the two columns"))
    assert reused() == [True] * 3
    module.write_text(source.replace("frame[['a', 'b']]", "frame[['a', 'b']] * 1"))
    assert reused() == [False] * 3


def test_a_part_that_a_worker_wrote_before_it_died_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(120, 10_000))
    monkeypatch.setattr("airflow_batchscore.scoring.attempt.score_block", engine_work.score_and_die_once)
    engine = LocalDask(workers=2, processes=True)
    ((manifest, _),) = score_partitions(data.job(block_rows=20), [{"p": "1"}], engine)
    deaths = list(tmp_path.glob("staged/p=1/died-*"))
    assert len(deaths) >= 2
    for death in deaths:
        block = int(death.name.rpartition("-")[2])
        part = Path(manifest.folder.uri, manifest.blocks[block].part)
        assert part.stat().st_mtime_ns < death.stat().st_mtime_ns, "written before its worker died, and not after it"
    assert scores(manifest)["id"].tolist() == list(range(10_000, 10_120))
