"""Scores of a compiled model: the library's labels, its own identity and manifest, and no silent fallback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled_models import NAMES, labels, table
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from support import Small, scores

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.compiled import onedal
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

METHODS = "predict, predict_proba"


class Parquet(Small):
    """Like `Small`, of Parquet files, from which numbers go to the model without a frame."""

    @property
    def dataset(self) -> PartitionedDataset:
        return PartitionedDataset(f"{self.folder}/part_{{p}}.parquet")


def _trained(folder: Path, estimator: Any, **options: Any) -> Small:
    folder.mkdir(exist_ok=True)
    for partition in range(3):
        frame = table(900, missing=partition == 2, seed=partition)
        whole = frame.assign(label=labels(frame), id=range(len(frame)))
        whole.to_parquet(folder / f"part_{partition}.parquet", row_group_size=300)
    recipe = Recipe(target="label", keys=["id"], columns=NAMES)
    data = Parquet(folder, None, recipe)
    data.model = train(TrainingJob(data.dataset, [0], recipe, estimator, f"{folder}/model", **options)).ref
    return data


@pytest.mark.parametrize(
    "estimator",
    [HistGradientBoostingClassifier(max_iter=10), RandomForestClassifier(8, random_state=0, n_jobs=2)],
    ids=["histogram boosting", "forest"],
)
def test_labels_are_the_librarys_and_manifests_say_what_scored(tmp_path: Path, estimator: Any) -> None:
    fast = _trained(tmp_path, estimator, accelerate=True)
    plain = _trained(tmp_path, estimator)
    ours, theirs = (data.score(1, 2, method=METHODS, block_rows=200) for data in (fast, plain))
    for (one, _), (other, _) in zip(ours, theirs, strict=True):
        assert one.model is not None
        assert other.model is not None
        record = artifact.read_manifest(fast.model).compiled
        assert one.model.compiled == fast.model.compiled == (record and record.name)
        assert other.model.compiled is None
        assert one.identity != other.identity
        assert Manifest.read(one.location) == one
        a, b = scores(one), scores(other)
        np.testing.assert_array_equal(a["predict"], b["predict"])
        np.testing.assert_allclose(a["predict_proba_1"], b["predict_proba_1"], atol=1e-6, rtol=0)
        assert a["predict_proba_1"].dtype == b["predict_proba_1"].dtype
    assert [reused for _, reused in fast.score(1, 2, method=METHODS)] == [True, True]


def test_a_rows_score_is_the_same_in_blocks_of_any_size(tmp_path: Path) -> None:
    data = _trained(tmp_path, HistGradientBoostingClassifier(max_iter=10), accelerate=True)
    found = [
        scores(data.score(1, method="predict_proba", block_rows=rows, output_uri=f"{tmp_path}/{rows}")[0][0])
        for rows in (50, 300, 10_000)
    ]
    for each in found[1:]:
        np.testing.assert_array_equal(each.to_numpy(), found[0].to_numpy())


@pytest.mark.slow
def test_worker_processes_give_the_same_bytes(tmp_path: Path) -> None:
    data = _trained(tmp_path, HistGradientBoostingClassifier(max_iter=10), accelerate=True)
    found = []
    for processes in (False, True):
        engine = LocalDask(workers=2, processes=processes)
        (result,) = data.score(
            1, method="predict_proba", block_rows=200, output_uri=f"{tmp_path}/{processes}", engine=engine
        )
        found.append(scores(result[0]).to_numpy())
    np.testing.assert_array_equal(*found)


def test_a_worker_without_onedal_fails_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _trained(tmp_path, HistGradientBoostingClassifier(max_iter=3), accelerate=True)
    monkeypatch.setitem(sys.modules, "daal4py", None)
    onedal._library.cache_clear()
    artifact._loaded.clear()
    try:
        with pytest.raises(ModelError, match=r"needs daal4py.*pip install 'airflow-batchscore\[accelerate\]'"):
            data.score(1)
    finally:
        onedal._library.cache_clear()
    assert not list(tmp_path.glob("staged/p=1/*/manifests/*"))
