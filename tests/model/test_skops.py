"""The flavour that runs nothing when it is loaded."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from strange_models import Picky
from support import Small, good_rows, scores, small

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.flavors import flavor
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    artifact._loaded.clear()
    made = small(tmp_path)
    made.add(1, good_rows(50, 100))
    return made


def _train(data: Small, estimator: str) -> Small:
    job = TrainingJob(data.dataset, [0], data.recipe, estimator, f"{data.folder}/skops", flavor="skops")
    return replace(data, model=train(job).ref)


def test_an_estimator_of_scikit_learn_gives_the_same_as_by_joblib(data: Small) -> None:
    ((by_joblib, _),) = data.score(1)
    ((by_skops, _),) = _train(data, "sklearn.linear_model:LogisticRegression").score(1)
    assert scores(by_skops).equals(scores(by_joblib))
    assert by_skops.identity != by_joblib.identity


def test_a_type_that_nobody_trusts_is_not_made(data: Small) -> None:
    made = _train(data, "strange_models:Picky")
    with pytest.raises(ModelError, match=r"holds types that nobody trusts: strange_models.Picky.*trusted_types"):
        made.score(1)
    ((manifest, _),) = made.score(1, trusted_types=("strange_models.Picky",))
    assert manifest.account.rows_scored == 50


def test_a_file_that_names_a_place_outside_writes_nothing(tmp_path: Path) -> None:
    data = flavor("skops").dump(Picky(), pd.DataFrame())
    slipped = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(slipped, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr(f"../../../../../..{tmp_path}/evil", b"x")
        new.writestr(f"{tmp_path}/evil", b"x")
    flavor("skops").load(slipped.getvalue(), ["strange_models.Picky"])
    assert not (tmp_path / "evil").exists()


def test_bytes_that_are_no_skops_file_are_an_error_and_no_pickle_is_tried(data: Small) -> None:
    import pickle

    made = _train(data, "sklearn.linear_model:LogisticRegression")
    model = artifact.read_manifest(made.model)
    (Path(made.model.uri) / model.file).write_bytes(pickle.dumps("text"))
    with pytest.raises(ModelError, match="was altered or damaged and was not loaded"):
        made.score(1)
