from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_batchscore import DaskCluster, LocalDask
from airflow_batchscore.engine.environments.environment import Environment
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"python": "/a/python", "environment": ["x"]},
            "an interpreter that exists, or environment, to have one made, not both",
        ),
        ({"python": ""}, "give the path of an interpreter"),
        ({"python": 3.11}, "give the path of an interpreter"),
        ({"environment": []}, "give the name of a requirements file, or a list of its lines"),
        ({"environment": "x==1\ny==2"}, "give the name of a requirements file, or a list of its lines"),
        ({"environment": [1]}, "give the name of a requirements file, or a list of its lines"),
    ],
)
def test_values_that_mean_nothing_are_refused_when_the_dag_is_parsed(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        LocalDask(**options)


def test_an_engine_says_where_it_scores() -> None:
    assert LocalDask().elsewhere is None
    assert DaskCluster(address="tcp://x:1").elsewhere is None
    engine = LocalDask(workers=2, environment=["scikit-learn==1.3.2", "numpy<2"])
    assert engine.elsewhere == Environment(None, ("scikit-learn==1.3.2", "numpy<2"))
    assert engine.capacity().text == "LocalDask, 2 threads of scikit-learn==1.3.2, numpy<2"
    assert hash(engine) == hash(LocalDask(workers=2, environment=("scikit-learn==1.3.2", "numpy<2")))
    assert LocalDask(python="/a/python").describe()["python"] == "/a/python"


def test_relative_names_begin_beside_the_dags_file(tmp_path: Path) -> None:
    assert Environment("envs/torch/bin/python").interpreter(tmp_path, tmp_path) == f"{tmp_path}/envs/torch/bin/python"
    assert Environment("/envs/python").interpreter(tmp_path, tmp_path) == "/envs/python"
    with pytest.raises(InputError, match=f"{tmp_path}/model.txt cannot be read .No such file.*Put the file beside"):
        Environment(None, "model.txt").interpreter(tmp_path, tmp_path)
