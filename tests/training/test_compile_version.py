"""A version that exists is compiled into another; the command does it, as users do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compiled_models import NAMES, labels, table
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.accelerate import main
from airflow_batchscore.model import artifact
from airflow_batchscore.model.compiled.estimators import Compiled
from airflow_batchscore.model.reference import resolve, set_alias
from airflow_batchscore.model.trust import ModelAccess, Trust
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame = table()
    frame.assign(label=labels(frame), id=range(len(frame))).to_csv(tmp_path / "part_0.csv", index=False)
    return tmp_path


def _train(folder: Path, estimator: Any = None, **options: Any) -> TrainedModel:
    recipe = Recipe(target="label", keys=["id"], columns=NAMES)
    estimator = estimator or RandomForestClassifier(5, max_depth=5, random_state=0)
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
    trained = train(TrainingJob(dataset, [0], recipe, estimator, f"{folder}/model", **options))
    set_alias(f"{folder}/model", "champion", trained.ref, 1)
    return trained


def test_a_version_is_compiled_into_one_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = _train(folder)
    assert main([f"{folder}/model@champion", "--alias", "fast"]) == 0
    made = resolve(f"{folder}/model@fast")
    assert capsys.readouterr().out.strip() == made.uri
    assert (made.digest, made.version != plain.ref.version) == (plain.ref.digest, True)
    assert isinstance(artifact.load(made).estimator, Compiled)
    assert resolve(f"{folder}/model@champion") == plain.ref
    assert main([f"{folder}/model@champion"]) == 0
    again = capsys.readouterr()
    assert again.out.strip() == made.uri
    assert again.err == "The version exists already. It was checked when it was compiled, not now\n"
    assert main([made.uri]) == 0
    assert capsys.readouterr().out.strip() == made.uri  # compiled already
    assert _train(folder).ref == plain.ref


def test_it_is_checked_on_other_data_without_labels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _train(folder)
    table(50, seed=1).to_csv(folder / "new_7.csv", index=False)
    asked = [f"{folder}/model@champion", "--dataset", f"{folder}/new_{{p}}.csv", "--partitions"]
    assert main([*asked, "8"]) == 1
    assert "new_8.csv" in capsys.readouterr().err
    assert main([*asked, "7", "--read-options", '{"column_types": {"b": "float64"}}']) == 0
    assert resolve(capsys.readouterr().out.strip()).compiled


def test_what_cannot_be_compiled_stays_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _train(folder, LogisticRegression())
    assert main([f"{folder}/model@champion"]) == 1
    said = capsys.readouterr().err
    assert "LogisticRegression is not compiled" in said
    assert "accelerate=" not in said
    assert main([f"{folder}/model@other"]) == 1
    assert "there is no alias 'other'" in capsys.readouterr().err


def test_with_a_key_only_signed_versions_are_compiled_and_the_new_one_is_signed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BATCHSCORE_SIGNING_KEY", "secret")
    _train(folder)
    assert main([f"{folder}/model@champion"]) == 1
    assert "is not signed" in capsys.readouterr().err
    signed = _train(folder, signing_key=b"secret")
    assert signed.ref.version.endswith("-2")
    assert main([f"{folder}/model@champion"]) == 0
    trust = Trust(key=b"secret", require_signature=True)
    assert resolve(capsys.readouterr().out.strip(), ModelAccess(trust=trust)).compiled
