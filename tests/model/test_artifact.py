from __future__ import annotations

import io
import json
import logging
import os
import threading
from dataclasses import replace
from pathlib import Path

import joblib
import pytest
from support import Small, small

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.reference import ModelRef

pytestmark = pytest.mark.unit


@pytest.fixture
def made(tmp_path: Path) -> Small:
    artifact._loaded.clear()
    return small(tmp_path)


def _estimator(made: Small) -> Path:
    (path,) = Path(made.model.uri).glob("*.joblib")
    return path


def _change_manifest(made: Small, **values: object) -> None:
    path = Path(made.model.uri) / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _unpinned(made: Small) -> ModelRef:
    """As a model is named that was not resolved: its manifest may be any."""
    return replace(made.model, manifest_digest=None)  # type: ignore[no-any-return]


def test_an_artifact_says_what_it_is(made: Small) -> None:
    manifest = artifact.read_manifest(made.model)
    assert manifest.signature.features == ("a", "b")
    assert manifest.signature.raw == {"id": "int64", "a": "float64", "b": "int64", "label": "int64"}
    assert manifest.signature.outputs["predict"] == {"prediction": "int64"}
    assert manifest.signature.outputs["predict_proba"] == {"prediction_0": "double", "prediction_1": "double"}
    assert manifest.training.partitions == ["p=0"]
    assert manifest.training.files[0].size == (made.folder / "part_0.csv").stat().st_size
    assert manifest.libraries["scikit-learn"]
    assert manifest.metrics_on == "training rows"


def test_a_flipped_byte_is_not_loaded(made: Small) -> None:
    path = _estimator(made)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="was altered or damaged and was not loaded"):
        artifact.load(made.model)


def test_a_pickle_with_a_payload_does_not_run(made: Small, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    buffer = io.BytesIO()
    joblib.dump(Payload(), buffer)
    _estimator(made).write_bytes(buffer.getvalue())
    with pytest.raises(ModelError, match="SHA-256"):
        artifact.load(made.model)
    assert not (tmp_path / "owned").exists()


def test_a_manifest_that_was_changed_after_the_pin_is_refused(made: Small) -> None:
    _change_manifest(made, digest="0" * 64)
    with pytest.raises(ModelError, match="was changed during the run"):
        artifact.load(made.model)


def test_missing_pieces_and_other_formats_are_named(made: Small) -> None:
    _change_manifest(made, format=99)
    with pytest.raises(ModelError, match="has format 99; this version .* reads format 1"):
        artifact.load(_unpinned(made))
    _change_manifest(made, format=1)
    _estimator(made).unlink()
    with pytest.raises(ModelError, match="is missing, the version is not complete. Restore the file, or train"):
        artifact.load(_unpinned(made))
    with pytest.raises(ModelError, match="has no model.json"):
        artifact.load(replace(made.model, uri=f"{made.folder}/model/none"))


def test_another_version_of_scikit_learn_is_a_warning_that_says_what_to_do(
    made: Small, caplog: pytest.LogCaptureFixture
) -> None:
    libraries = artifact.read_manifest(made.model).libraries | {"scikit-learn": "0.1"}
    _change_manifest(made, libraries=libraries)
    with caplog.at_level(logging.WARNING):
        artifact.load(_unpinned(made))
    assert "was trained with scikit-learn 0.1" in caplog.text
    assert "train it again" in caplog.text


def test_threads_share_one_loaded_model(made: Small) -> None:
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(artifact.load(made.model).estimator)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(estimator) for estimator in found}) == 1


def test_a_model_that_was_loaded_with_fewer_checks_is_checked_again(made: Small) -> None:
    _change_manifest(made, created="another time")
    assert artifact.load(_unpinned(made)).manifest.created == "another time"
    with pytest.raises(ModelError, match="model.json is not the one that the run pinned"):
        artifact.load(made.model)
    with pytest.raises(ModelError, match="has no model.json"):
        artifact.load(replace(_unpinned(made), uri=f"{made.model.uri}/elsewhere"))


def test_a_model_is_loaded_again_where_its_code_is_to_be_checked(made: Small) -> None:
    assert artifact.load(made.model) is artifact.load(made.model)
    assert artifact.load(made.model, ("a.Type",)) is not artifact.load(made.model)
    assert artifact.load(made.model, code=()) is not artifact.load(made.model)
