"""Who may bring a model: places, signatures, and what a forger can still try."""

from __future__ import annotations

import base64
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from support import Small, good_rows, small

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.reference import require_trusted, resolve, set_alias
from airflow_batchscore.model.training import TrainingJob, train
from airflow_batchscore.model.trust import Trust

pytestmark = pytest.mark.unit

KEY = b"a key of the operators"


@pytest.fixture
def made(tmp_path: Path) -> Small:
    artifact._loaded.clear()
    return small(tmp_path)


@pytest.fixture
def signed(made: Small) -> Small:
    estimator = "sklearn.linear_model:LogisticRegression"
    job = TrainingJob(made.dataset, [0], made.recipe, estimator, f"{made.folder}/signed", signing_key=KEY)
    return replace(made, model=train(job).ref)


def test_a_model_below_a_trusted_uri_is_taken_and_another_is_not(made: Small) -> None:
    inside = Trust(prefixes=(f"{made.folder}/model/", "s3://elsewhere"))
    assert resolve(made.model.uri, None, inside) == made.model
    for prefix in ("s3://models/", f"{made.folder}/mod", f"{made.folder}/model/x"):
        with pytest.raises(ModelError, match="lies below none of the trusted URIs"):
            resolve(made.model.uri, None, Trust(prefixes=(prefix,)))
    around = f"{made.folder}/trusted/../model/{made.model.version}"
    with pytest.raises(ModelError, match="lies below none of the trusted URIs"):
        resolve(around, None, Trust(prefixes=(f"{made.folder}/trusted",)))


def test_a_signed_model_is_taken_with_its_key_only(signed: Small) -> None:
    needed = Trust(key=KEY, require_signature=True)
    assert resolve(signed.model.uri, None, needed) == signed.model
    with pytest.raises(ModelError, match="the signature does not fit"):
        resolve(signed.model.uri, None, Trust(key=b"another key"))
    with pytest.raises(ModelError, match="there is no key"):
        resolve(signed.model.uri, None, Trust(require_signature=True))
    assert "operators" not in repr(needed)


def test_a_model_without_a_signature_is_refused_where_one_is_required(made: Small) -> None:
    assert resolve(made.model.uri, None, Trust(key=KEY)) == made.model
    with pytest.raises(ModelError, match="is not signed and was not loaded"):
        resolve(made.model.uri, None, Trust(key=KEY, require_signature=True))


def _payload(mark: Path) -> str:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(mark),)

    return base64.b64encode(pickle.dumps(Payload())).decode()


def _swap_manifest(data: Small, mark: Path) -> None:
    """Put a recipe into ``model.json`` that does something when it is loaded."""
    path = Path(data.model.uri) / "model.json"
    value = json.loads(path.read_text())
    value["recipe"]["features"] = {"path": "m:f", "pickled": _payload(mark), "digest": "0" * 64}
    path.write_text(json.dumps(value))


def test_a_swapped_manifest_of_a_signed_model_runs_nothing(signed: Small, tmp_path: Path) -> None:
    _swap_manifest(signed, tmp_path / "mark")
    with pytest.raises(ModelError, match="the signature does not fit"):
        resolve(signed.model.uri, None, Trust(key=KEY))
    assert not (tmp_path / "mark").exists()


def test_a_manifest_that_is_swapped_after_the_plan_runs_nothing(made: Small, tmp_path: Path) -> None:
    made.add(1, good_rows(20))
    _swap_manifest(made, tmp_path / "mark")
    with pytest.raises(ModelError, match="model.json is not the one that the run pinned"):
        made.score(1)
    assert not (tmp_path / "mark").exists()


def test_a_plan_that_names_another_model_is_refused(signed: Small, made: Small) -> None:
    """XComs can be written by those who may not write the configuration."""
    trust = Trust(prefixes=(f"{made.folder}/signed",), key=KEY, require_signature=True)
    require_trusted(signed.model, None, trust)
    for forged in (
        made.model,
        replace(signed.model, digest="0" * 64),
        replace(signed.model, manifest_digest="0" * 64),
        replace(signed.model, manifest_digest=None),
    ):
        with pytest.raises(ModelError):
            require_trusted(forged, None, trust)


def test_an_alias_cannot_lead_out_of_its_model(made: Small) -> None:
    set_alias(f"{made.folder}/model", "champion", made.model, 1)
    path = Path(made.folder, "model", "aliases", "champion.json")
    for version in ("../model/x", "..", "/etc", "a/b", ""):
        path.write_text(json.dumps({"version": version, "digest": made.model.digest}))
        with pytest.raises(ModelError, match="is not usable"):
            resolve(f"{made.folder}/model@champion")
    path.write_text(json.dumps({"version": made.model.version, "digest": "0" * 64}))
    with pytest.raises(ModelError, match="was pinned"):
        resolve(f"{made.folder}/model@champion")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"digest": 1}', "\x00"])
def test_a_manifest_that_is_none_is_said_to_be_damaged(made: Small, text: str) -> None:
    Path(made.model.uri, "model.json").write_text(text)
    with pytest.raises(ModelError, match="it was altered or damaged"):
        resolve(made.model.uri)


def test_the_signature_lies_beside_the_manifest(signed: Small) -> None:
    (file,) = Path(signed.model.uri).glob("model-*.hmac")
    assert len(file.read_text()) == 64
