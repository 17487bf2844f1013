"""The files of a version: a compiled model hangs on the same chain of digests as the estimator beside it."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from compiled_models import NAMES, labels, table
from sklearn.ensemble import RandomForestClassifier

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.compiled.estimators import Compiled
from airflow_batchscore.model.opening import VerifiedBytes, deserialise
from airflow_batchscore.model.reference import ModelRef, resolve
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.fixture
def ref(tmp_path: Path) -> ModelRef:
    return _trained(tmp_path)


def _trained(folder: Path) -> ModelRef:
    if not (folder / "part_0.csv").exists():
        frame = table()
        frame.assign(label=labels(frame), id=range(len(frame))).to_csv(folder / "part_0.csv", index=False)
    recipe = Recipe(target="label", keys=["id"], columns=NAMES)
    forest = RandomForestClassifier(5, max_depth=5, random_state=0)
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
    return train(TrainingJob(dataset, [0], recipe, forest, f"{folder}/model", accelerate=True)).ref


def _compiled(ref: ModelRef) -> Path:
    (path,) = Path(ref.uri).glob("model-*.onedal")
    return path


def test_a_flipped_byte_is_neither_loaded_nor_used_again(ref: ModelRef, tmp_path: Path) -> None:
    data = bytearray(_compiled(ref).read_bytes())
    data[len(data) // 2] ^= 1
    _compiled(ref).write_bytes(data)
    for look in (artifact.load, artifact.verify):
        with pytest.raises(ModelError, match=r"the bytes of .*\.onedal have SHA-256 .* was not loaded"):
            look(ref)
    assert _trained(tmp_path).version == f"{ref.version}-2"


def test_a_missing_file_is_named(ref: ModelRef) -> None:
    _compiled(ref).unlink()
    with pytest.raises(ModelError, match=r"\.onedal is missing, the version is not complete"):
        artifact.load(ref)


def test_a_manifest_that_names_another_compiled_model_is_refused(ref: ModelRef) -> None:
    path = Path(ref.uri) / "model.json"
    value = json.loads(path.read_text())
    value["compiled"] = None
    path.write_text(json.dumps(value))
    with pytest.raises(ModelError, match="model.json is not the one that the run pinned"):
        artifact.load(ref)
    with pytest.raises(ModelError, match="the run pinned the compiled model onedal:.*, model.json says that"):
        artifact.load(replace(ref, manifest_digest=None))
    assert resolve(ref.uri).compiled is None


def test_a_reference_without_the_compiled_model_is_scored_by_the_library(ref: ModelRef) -> None:
    assert isinstance(artifact.load(ref).estimator, Compiled)
    assert type(artifact.load(replace(ref, compiled=None)).estimator) is RandomForestClassifier
    assert ModelRef.from_dict(ref.to_dict()) == ref
    assert "compiled" not in replace(ref, compiled=None).to_dict()
    assert resolve(ref.uri) == ref


def test_another_version_of_onedal_is_a_warning(ref: ModelRef, caplog: pytest.LogCaptureFixture) -> None:
    path = Path(ref.uri) / "model.json"
    value = json.loads(path.read_text())
    value["compiled"]["libraries"]["daal"] = "1.0"
    path.write_text(json.dumps(value))
    with caplog.at_level(logging.WARNING):
        artifact.load(replace(ref, manifest_digest=None))
    assert "was trained with daal 1.0, this worker has 2" in caplog.text


def test_a_model_of_another_version_that_cannot_be_loaded_asks_for_the_environment_of_its_import(ref: ModelRef) -> None:
    manifest = artifact.read_manifest(ref)
    imported = replace(manifest, libraries={**manifest.libraries, "scikit-learn": "1.3.2"})
    lines = r"environment=\['scikit-learn==1.3.2'\]"
    message = (
        rf"cannot be loaded: .*1.3.2 \(here .*Import it with {lines}, and give the scoring task the same: LocalDask"
    )
    with pytest.raises(ModelError, match=message):
        deserialise(ref, imported, VerifiedBytes(b"damaged", None), ())
    with pytest.raises(ModelError, match="with the same library versions as here$"):
        deserialise(ref, manifest, VerifiedBytes(b"damaged", None), ())
