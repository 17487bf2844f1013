"""How an old model does on new labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import Small, good_rows, small

from airflow_batchscore import Recipe
from airflow_batchscore.errors import GateError, InputError, RecipeError
from airflow_batchscore.training.evaluation import evaluate, history

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(100, 1000))
    made.add(2, [(n, a, b, 1 - label) for n, a, b, label in good_rows(100, 2000)])
    return made


def test_a_model_that_still_fits_and_one_that_does_not(data: Small) -> None:
    require = {"accuracy": ">=0.9*baseline"}
    fine = evaluate(data.model, data.dataset, [1], require=require)
    assert fine.problems == []
    assert fine.rows == 100
    assert fine.metrics["accuracy"] > 0.9
    gone = evaluate(data.model, data.dataset, [2], require=require)
    assert gone.metrics["accuracy"] == pytest.approx(1 - fine.metrics["accuracy"])
    (problem,) = gone.problems
    assert problem.startswith(f"accuracy is {gone.metrics['accuracy']:.6g}, required >=0.9*baseline = ")
    again = evaluate(data.model, data.dataset, [2], require=require)
    assert again.metrics == gone.metrics
    kept = history(data.model)
    assert sorted(tuple(one.partitions) for one in kept) == [("p=1",), ("p=2",)]
    assert kept[0].baseline == fine.baseline


def test_other_metrics_and_labels_from_elsewhere(data: Small) -> None:
    def turned(rows: pd.DataFrame) -> pd.Series:
        return 1 - rows["label"]

    recipe = Recipe(target=turned, keys=["id"], columns=["a", "b"])
    found = evaluate(
        data.model, data.dataset, "1..2", require={"mae": "<=0.9"}, recipe=recipe, metrics=["mae", "accuracy"]
    )
    assert found.metrics["mae"] == pytest.approx(1 - found.metrics["accuracy"])
    assert found.rows == 200
    assert np.isclose(found.metrics["accuracy"], 0.5)


def test_what_cannot_be_measured_is_said(data: Small) -> None:
    with pytest.raises(GateError, match="require=.*write a comparison and a number"):
        evaluate(data.model, data.dataset, [1], require={"accuracy": "good"})
    data.add(3, [(1, 1, 1, "")])
    with pytest.raises(RecipeError, match="p=3: all 1 rows have no label"):
        evaluate(data.model, data.dataset, [3], require={})
    with pytest.raises(InputError, match="its recipe has no target; give recipe="):
        evaluate(data.model, data.dataset, [1], require={}, recipe=Recipe(columns=["a", "b"]))
    found = evaluate(
        data.model, data.dataset, [1], require={"f1": ">=0.5", "accuracy": ">=0.5*baseline"}, metrics=["accuracy"]
    )
    assert found.problems == ["f1 was not measured (there are accuracy)"]
