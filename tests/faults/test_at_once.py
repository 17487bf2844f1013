"""Runs that do the same at the same time: all end right, and none spoils another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import start_command
from s3_server import s3_options
from support import ROOT, Small, good_rows, scores, small, write_csv

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.model import artifact
from airflow_batchscore.model.reference import resolve
from airflow_batchscore.model.trust import ModelAccess, Trust
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.faults

_RUN = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from support import Small
from airflow_batchscore import LocalDask
from airflow_batchscore.model.reference import ModelRef
data = Small(Path({folder!r}), ModelRef.from_dict({model!r}), None)
((manifest, reused),) = data.score(1, block_rows=20, engine=LocalDask(workers=2, processes=False))
print(manifest.account.rows_scored)
"""


def _start(data: Small, ref: Any) -> subprocess.Popen[str]:
    script = _RUN.format(tests=f"{ROOT}/tests", folder=str(data.folder), model=ref.to_dict())
    return start_command([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("same_model", [True, False])
def test_two_runs_at_once_both_end_right(tmp_path: Path, same_model: bool) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(2000, 10_000))
    other = data.model
    if not same_model:
        from airflow_batchscore.training.train import TrainingJob, train

        job = TrainingJob(data.dataset, [0], data.recipe, "sklearn.tree:DecisionTreeClassifier", f"{tmp_path}/tree")
        other = train(job).ref
    runs = [_start(data, data.model), _start(data, other), _start(data, data.model)]
    assert [run.communicate(timeout=120)[0].strip() for run in runs] == ["2000"] * 3
    manifests = [Manifest.read(Location(str(path))) for path in tmp_path.glob("staged/p=1/*/manifests/*.json")]
    assert len(manifests) == (1 if same_model else 2)
    for manifest in manifests:
        assert manifest is not None
        assert scores(manifest)["id"].tolist() == list(range(10_000, 12_000))


_PUBLISH = """
import json, sys
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.scoring.manifest import Manifest
credentials.register("test", json.loads(sys.argv[1]))
combine([Manifest.read(Location(uri)) for uri in sys.argv[3:]], Location(sys.argv[2], "test"))
"""


@pytest.mark.parametrize("place", ["{tmp}/published", "s3://tennis/published-at-once"])
def test_two_runs_that_publish_one_folder_lose_neither(tmp_path: Path, moto: str, place: str) -> None:
    data = small(tmp_path)
    for number in (1, 2, 3, 4):
        data.add(number, good_rows(500, 1000 * number))
    uris = [manifest.uri for manifest, _ in data.score(1, 2, 3, 4)]
    folder = place.format(tmp=tmp_path)
    options = s3_options(moto)
    runs = [
        start_command([sys.executable, "-c", _PUBLISH, json.dumps(options), folder, *some])
        for some in (uris[:3], uris[1:])
    ]
    assert [run.wait(60) for run in runs] == [0, 0]
    credentials.register("test", options)
    published = [file for file in storage.list_files(Location(folder, "test"), recursive=True) if "/_" not in file.uri]
    assert [file.uri for file in published] == [f"{folder}/p={number}/scores.parquet" for number in (1, 2, 3, 4)]
    for number, file in enumerate(published, 1):
        table = pq.read_table(pa.BufferReader(storage.read_bytes(Location(file.uri, "test"))))
        assert table["id"].to_pylist() == list(range(1000 * number, 1000 * number + 500))


_TRAIN = """
import json, sys
from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.model.reference import set_alias
from airflow_batchscore.training.train import TrainingJob, train
folder = sys.argv[1]
recipe = Recipe(target="label", keys=["id"], columns=["a", "b"])
dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
key = b"a key of thirty-two bytes or more"
job = TrainingJob(dataset, [0], recipe, "strange_models:Unrepeatable", f"{folder}/model", signing_key=key)
trained = train(job)
set_alias(f"{folder}/model", "champion", trained.ref, job.began)
print(json.dumps([trained.to_dict(), trained.ref.manifest_digest]))
"""


def test_of_two_who_train_a_version_at_once_the_first_ones_stands_for_both(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    waiting = tmp_path / "waiting"
    waiting.mkdir()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/tests", "FIT_TOGETHER": str(waiting)}
    runs = [
        start_command([sys.executable, "-c", _TRAIN, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    trained = [json.loads(run.communicate(timeout=120)[0]) for run in runs]
    assert len(list(waiting.iterdir())) == 2
    (first, first_digest), (second, second_digest) = trained
    assert first_digest == second_digest
    assert (first["model"], first["digest"]) == (second["model"], second["digest"])
    assert sorted(run["reused"] for run, _ in trained) == [False, True]
    assert len(list(Path(first["model"]).glob("model-*.joblib"))) == 2
    trust = Trust(key=b"a key of thirty-two bytes or more", require_signature=True)
    ref = resolve(f"{tmp_path}/model@champion", ModelAccess(trust=trust))
    assert ref.manifest_digest == first_digest
    artifact.load(ref)
