"""The command that compiles a version: what it says, and what it refuses before it works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from compiled_models import NAMES, labels, table
from sklearn.ensemble import RandomForestClassifier

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.accelerate import main
from airflow_batchscore.model.reference import set_alias
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame = table()
    frame.assign(label=labels(frame), id=range(len(frame))).to_csv(tmp_path / "part_0.csv", index=False)
    return tmp_path


def _train(folder: Path, read_options: dict[str, Any] | None = None) -> None:
    recipe = Recipe(target="label", keys=["id"], columns=NAMES)
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options=read_options or {})
    forest = RandomForestClassifier(5, max_depth=5, random_state=0)
    trained = train(TrainingJob(dataset, [0], recipe, forest, f"{folder}/model"))
    set_alias(f"{folder}/model", "champion", trained.ref, 1)


def test_other_data_are_refused_once_it_is_compiled(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _train(folder)
    assert main([f"{folder}/model@champion"]) == 0
    made = capsys.readouterr().out.strip()
    for model in (f"{folder}/model@champion", made):
        for option in (["--dataset", f"{folder}/gone_{{p}}.csv"], ["--partitions", "9"]):
            assert main([model, *option, "--alias", "fast"]) == 1
            said = capsys.readouterr()
            assert said.out == ""
            assert f"{made} exists already: it was checked when it was compiled" in said.err
    assert not (folder / "model" / "aliases" / "fast.json").exists()


def test_options_of_reading_are_those_of_the_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "part_0.csv"
    file.write_text(file.read_text().replace(",", ";"))
    options = {"delimiter": ";"}
    _train(folder, options)
    assert main([f"{folder}/model@champion"]) == 1
    assert "If the model was trained with read_options, give them as --read-options" in capsys.readouterr().err
    assert main([f"{folder}/model@champion", "--read-options", json.dumps(options)]) == 0


@pytest.mark.parametrize("given", ["[1]", "{", "1"])
def test_options_that_are_no_json_object_are_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["model@champion", "--read-options", given])
    assert ended.value.code == 2
    assert f"argument --read-options: {given!r} is no JSON" in capsys.readouterr().err


def test_a_wrong_alias_is_refused_before_a_version_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _train(folder)
    before = sorted(folder.rglob("*"))
    assert main([f"{folder}/model@champion", "--alias", "a/b"]) == 1
    assert "a/b" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before
