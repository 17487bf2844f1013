"""A damaged model stops a run at its gate and at its plan, before a task scores."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from support import Small, good_rows, small

from airflow_batchscore.model.reference import alias_uri, set_alias
from airflow_batchscore.operators import CheckModelOperator, PlanPartitionsOperator

pytestmark = pytest.mark.unit


@pytest.fixture
def damaged(tmp_path: Path) -> Small:
    data = small(tmp_path)
    data.add(1, good_rows(10))
    set_alias(f"{tmp_path}/model", "champion", data.model, 1)
    (path,) = Path(data.model.uri).glob("model-*.joblib")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    return data


_MESSAGE = r"the bytes of .*/model-\w+.joblib have SHA-256 .* Restore the file, or train with retrain=True"


def test_the_gate_promotes_no_damaged_model(damaged: Small) -> None:
    gate = CheckModelOperator(task_id="gate", model=damaged.model.uri, promote_to="production")
    with pytest.raises(AirflowFailException, match=_MESSAGE):
        gate.execute({})
    assert not Path(alias_uri(f"{damaged.folder}/model", "production")).exists()


@pytest.mark.parametrize("model", ["model@champion", "own/{p}@champion", "own/{label}@champion"])
def test_the_plan_pins_no_damaged_model(damaged: Small, model: str) -> None:
    folder = damaged.folder
    for name in ("0", "1"):
        (folder / "own").mkdir(exist_ok=True)
        shutil.copytree(folder / "model", folder / "own" / name)
    options: dict[str, Any] = {"dataset": damaged.dataset, "model": f"{folder}/{model}"}
    with pytest.raises(AirflowFailException, match=_MESSAGE):
        PlanPartitionsOperator(task_id="plan", **options).execute({})
