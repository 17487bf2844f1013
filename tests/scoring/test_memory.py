"""Peak memory is a function of batches and threads, not of the rows of a partition."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import run_command
from support import ROOT, small

pytestmark = [pytest.mark.unit, pytest.mark.slow]

_SCORE = """
import re, sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from support import Small
from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.model import artifact
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.scoring.job import FunctionJob
ref = ModelRef({uri!r}, {digest!r})
data = Small(Path({folder!r}), ref, None)
def peak():
    # Not ru_maxrss: that of the process which started this one counts in it.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
engine = LocalDask(workers=2, processes=False, memory_limit={limit!r})
dataset = PartitionedDataset({folder!r} + "/part_{{p}}.parquet")
data.score(0, dataset=dataset, engine=engine{first})
before = peak()
((manifest, _),) = data.score(1, dataset=dataset, engine=engine{options})
after = peak()
print(len(manifest.blocks), manifest.account.rows_scored, before, after)
"""


def _peak(folder: Path, limit: str, options: str = "", first: str = "") -> tuple[int, int, int]:
    """Blocks, rows, and the growth of peak memory (KiB) that partition 1 brought after a small one was scored."""
    data = small(folder)
    pq.write_table(_numbers(1000), folder / "part_0.parquet")
    values = {"uri": data.model.uri, "digest": data.model.digest, "folder": str(folder), "limit": limit}
    script = _SCORE.format(tests=f"{ROOT}/tests", options=options, first=first, **values)
    done = run_command([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    blocks, rows, before, after = map(int, done.stdout.split()[-4:])
    return blocks, rows, after - before


def _numbers(rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = {"id": np.arange(rows), "a": rng.standard_normal(rows), "b": rng.standard_normal(rows)}
    return pa.table({**columns, "site": rng.integers(0, max(1, rows // 500), rows)})


def test_one_giant_row_group_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    grown = []
    for rows in (500_000, 5_000_000):
        folder = tmp_path / str(rows)
        folder.mkdir()
        pq.write_table(_numbers(rows), folder / "part_1.parquet", row_group_size=rows)
        blocks, scored, growth = _peak(folder, "auto", ", block_rows=50_000")
        assert scored == rows
        assert blocks >= rows // 60_000
        grown.append(growth)
    # The giant's columns are 96 MB. How many of its blocks wait for each other depends on what else the machine does.
    assert grown[1] < grown[0] + 40_000


def test_groups_take_the_memory_of_a_bucket_not_of_the_partition(tmp_path: Path) -> None:
    grown = []
    for rows in (250_000, 2_000_000):
        folder = tmp_path / str(rows)
        folder.mkdir()
        pq.write_table(_numbers(rows), folder / "part_1.parquet", row_group_size=50_000)
        options = (
            ", block_rows=50_000, keys=None, scored_with=FunctionJob(FunctionRef.of('engine_work:sums'), ('site',))"
        )
        blocks, scored, growth = _peak(folder, "auto", options, options)
        assert scored == rows
        assert blocks == 2 * rows // 50_000
        grown.append(growth)
    assert grown[1] < 1.4 * grown[0] + 8_000  # the rows of the larger one are 64 MB


def test_wide_texts_stay_within_the_limit(tmp_path: Path) -> None:
    """300 MB of text that a dictionary makes a small file of."""
    rows = 15_000
    table = _numbers(rows).append_column("id2", pa.array(["x" * 20_000 + str(n % 5) for n in range(rows)]))
    pq.write_table(table, tmp_path / "part_1.parquet", row_group_size=rows)
    assert (tmp_path / "part_1.parquet").stat().st_size < 10 << 20
    _, scored, growth = _peak(tmp_path, "512MiB", ", keys=('id2',)")
    assert scored == rows
    assert growth < 200 << 10


def test_a_big_model_is_held_once_by_all_threads(tmp_path: Path) -> None:
    script = """
import sys, threading
sys.path[:0] = [{tests!r}]
import numpy as np, joblib, hashlib, io
from sklearn.neighbors import KNeighborsClassifier
from airflow_batchscore import Recipe
from airflow_batchscore.data.storage import Location
from airflow_batchscore.model import artifact
from airflow_batchscore.model.training_record import TrainingRecord
from airflow_batchscore.quality.profile import Profile, ReferenceProfile
estimator = KNeighborsClassifier(algorithm="brute").fit(np.zeros((1 << 20, 16)), np.arange(1 << 20) % 2)
buffer = io.BytesIO(); joblib.dump(estimator, buffer); data = buffer.getvalue()
digest = hashlib.sha256(data).hexdigest()
manifest = artifact.ModelManifest(digest, "model.joblib", "joblib", "KNeighborsClassifier",
    artifact.Signature({{}}, (), {{}}), Recipe(), "", {{}}, "", TrainingRecord("", (), (), 0, 0),
    ReferenceProfile(Profile({{}}, {{}}), {{}}), "", code={{}},
    packages=["numpy", "sklearn"])
ref = artifact.save(Location({uri!r}), data, manifest)
del estimator, data
seen = []
threads = [threading.Thread(target=lambda: seen.append(id(artifact.load(ref).estimator))) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(seen), len(set(seen)))
"""
    script = script.format(tests=f"{ROOT}/tests", uri=f"{tmp_path}/model")
    done = run_command([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == ["8", "1"], done.stderr[-2000:]
