"""A damaged version is never used again: the next training writes another, and says which file was damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support import Small, good_rows, newly_trained, write_csv

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.reference import resolve
from airflow_batchscore.plan.choose import choose
from airflow_batchscore.plan.policy import ModelPolicy
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train
from airflow_batchscore.training.train_many import train_many

pytestmark = pytest.mark.unit


@pytest.fixture
def made(tmp_path: Path) -> Small:
    return newly_trained(tmp_path)


def _job(made: Small) -> TrainingJob:
    return TrainingJob(
        made.dataset, [0], made.recipe, "sklearn.linear_model:LogisticRegression", f"{made.folder}/model"
    )


def _train(made: Small, retrain: str | None = None) -> TrainedModel:
    return train(replace(_job(made), retrain=retrain))


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def _estimator(uri: str) -> Path:
    return next(Path(uri).glob("model-*.joblib"))


def _manifest(uri: str) -> Path:
    return Path(uri, "model.json")


def _without_profile(uri: str) -> None:
    value = json.loads(_manifest(uri).read_text())
    del value["profile"]
    _manifest(uri).write_text(json.dumps(value))


DAMAGE: dict[str, Callable[[str], object]] = {
    "a flipped bit": lambda uri: _flip(_estimator(uri)),
    "no estimator": lambda uri: _estimator(uri).unlink(),
    "an empty estimator": lambda uri: _estimator(uri).write_bytes(b""),
    "no JSON": lambda uri: _manifest(uri).write_text(_manifest(uri).read_text()[:-20]),
    "an empty model.json": lambda uri: _manifest(uri).write_text(""),
    "not whole": _without_profile,
    "another format": lambda uri: _manifest(uri).write_text(
        _manifest(uri).read_text().replace('"format": 1', '"format": 0')
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_training_leaves_a_damaged_version_and_writes_the_next(
    made: Small, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = made.model.uri
    DAMAGE[damage](first)
    left = {path: path.read_bytes() for path in Path(first).iterdir()}
    second = _train(made)
    assert (second.ref.uri, second.reused) == (f"{first}-2", False)
    assert f"model {first} is not used again, a new version is trained" in caplog.text
    assert {path: path.read_bytes() for path in Path(first).iterdir()} == left
    artifact.verify(second.ref)
    third = _train(made)
    assert (third.ref, third.reused) == (second.ref, True)
    DAMAGE[damage](second.ref.uri)
    assert _train(made).ref.uri == f"{first}-3"


def test_the_advice_for_a_damaged_model_works(made: Small) -> None:
    made.add(1, good_rows(10))
    _flip(_estimator(made.model.uri))
    artifact._loaded.clear()
    with pytest.raises(
        ModelError, match=r"the bytes of .*model-.*joblib .*Restore the file, or train with retrain=True"
    ):
        made.score(1)
    again = _train(made, retrain="run-1").ref
    ((manifest, _),) = made.score(1, model=again)
    assert manifest.account.rows_scored == 10


def test_retrain_trains_once_a_run_and_its_version_is_the_one_that_counts(made: Small) -> None:
    first = made.model
    trained = _train(made, retrain="dag/run-1")
    assert (trained.ref.uri, trained.reused) == (f"{first.uri}-2", False)
    retried = _train(made, retrain="dag/run-1")
    assert (retried.ref, retried.reused) == (trained.ref, True)
    later = _train(made, retrain="dag/run-2")
    assert (later.ref.uri, later.reused) == (f"{first.uri}-3", False)
    assert _train(made).ref == later.ref
    assert resolve(first.uri) == replace(first, manifest_digest=resolve(first.uri).manifest_digest)


def test_a_version_without_its_signature_is_not_used_where_signatures_are_made(made: Small) -> None:
    signed = train(replace(_job(made), signing_key=b"key"))
    assert (signed.ref.uri, signed.reused) == (f"{made.model.uri}-2", False)
    assert train(replace(_job(made), signing_key=b"key")).reused


def test_of_many_models_only_the_damaged_one_is_trained_again(tmp_path: Path) -> None:
    made = newly_trained(tmp_path)
    write_csv(tmp_path / "part_1.csv", good_rows(100))
    job = replace(_job(made), partitions=[0, 1], model_uri=f"{tmp_path}/own/{{p}}")

    def all_of_them() -> tuple[int, int]:
        found = train_many(job, lambda function, items: (function(*item) for item in items), alias="champion")
        return found.trained, found.reused

    assert all_of_them() == (2, 0)
    damaged = resolve(f"{tmp_path}/own/1@champion")
    _flip(_estimator(damaged.uri))
    names = {f"p={p}": f"{tmp_path}/own/{p}@champion" for p in (0, 1)}
    with pytest.raises(
        ModelError, match=rf"1 of 2 have no model that may be used: p=1: damaged: .*{damaged.uri}/model-"
    ):
        choose(names, ModelPolicy())
    assert all_of_them() == (1, 1)
    assert choose(names, ModelPolicy())["p=1"].model == resolve(f"{damaged.uri}-2")


def test_a_damaged_fallback_is_found_when_it_is_planned(made: Small) -> None:
    fallback = made.model.uri
    _flip(_estimator(fallback))
    with pytest.raises(ModelError, match="was altered or damaged"):
        choose({"p=1": f"{made.folder}/none/1"}, ModelPolicy(missing="fallback", fallback=fallback))
