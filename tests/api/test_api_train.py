"""Train, try and promote by hand: the versions and aliases are those that a DAG makes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support import good_rows, newly_trained, small, write_csv

from airflow_batchscore import Recipe, load, models, promote, train
from airflow_batchscore.errors import GateError, InputError, ModelError

pytestmark = pytest.mark.unit

RECIPE = Recipe(target="label", keys=["id"], columns=["a", "b"])


def test_the_same_inputs_give_the_version_that_a_task_gave(tmp_path: Path) -> None:
    data = newly_trained(tmp_path)
    again = train(
        data.dataset, [0], data.recipe, "sklearn.linear_model:LogisticRegression", model_uri=f"{data.folder}/model"
    )
    assert again.ref == data.model
    assert len(again.predict(pd.read_csv(tmp_path / "part_0.csv"))) == 200


def test_train_promote_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    from sklearn.linear_model import LogisticRegression

    model = train("part_{p}.csv", [0], RECIPE, LogisticRegression(), model_uri="models/m", alias="latest")
    assert load("models/m@latest").ref == model.ref
    with pytest.raises(GateError, match=r"accuracy is .*, required >1\. It was not promoted"):
        promote("models/m@latest", "champion", require={"accuracy": ">1"})
    with pytest.raises(GateError, match=r"accuracy is .*, required >1"):
        promote("models/m@latest", "champion", require={"accuracy": [">1", ">0"]})
    with pytest.raises(ModelError, match="no alias 'champion'"):
        load("models/m@champion")
    checked = promote("models/m@latest", "champion", require={"accuracy": ">=baseline"}, baseline="models/m@latest")
    assert (checked.promoted_to, checked.version) == ("champion", model.version)
    found = models("models/m")
    assert [alias.alias for alias in found.aliases] == ["champion", "latest"]
    assert found.to_dict()["versions"][0]["version"] == model.version
    assert found.to_dict()["aliases"] == {"champion": model.version, "latest": model.version}
    retrained = train("part_{p}.csv", [0], RECIPE, LogisticRegression(), model_uri="models/m", retrain=True)
    assert retrained.version != model.version


def test_folders_that_hold_no_model_or_several(tmp_path: Path) -> None:
    small(tmp_path / "models")
    with pytest.raises(InputError, match="no folder of a model: it has no <version>/model.json; .* below it: model"):
        models(f"{tmp_path}/models")
    with pytest.raises(InputError, match="no folder of a model"):
        models(f"{tmp_path}/nothing")
    with pytest.raises(ModelError, match="a model for each value is trained by TrainOperator"):
        train(f"{tmp_path}/part_{{p}}.csv", None, RECIPE, "a:b", model_uri="models/{p}")
