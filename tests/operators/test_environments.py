"""Operators that let another Python load the model: here the tests' own interpreter once more."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import dag, executed, planned, scored
from sklearn.linear_model import LogisticRegression
from support import Small, good_rows

from airflow_batchscore import LocalDask, Recipe
from airflow_batchscore.model import artifact
from airflow_batchscore.operators import ImportModelOperator, TrainOperator
from airflow_batchscore.operators.seal import unseal

pytestmark = [pytest.mark.dag, pytest.mark.slow]


def process(estimator: Any, features: pd.DataFrame, labels: pd.Series) -> float:
    """A metric of this file, which tells where it was measured."""
    return float(os.getpid())


def _manifests(data: Small, task: dict[str, Any]) -> list[str]:
    value = unseal("scores", task, "scores", "d/r", {"score"})
    return [each["manifest"] for each in value["manifests"]]


def test_a_task_scores_in_the_python_that_lies_beside_the_dags_file(fresh: Small) -> None:
    fresh.add(1, good_rows(120, 1000))
    (entry,) = planned(fresh, "r", 1)
    relative = os.path.relpath(sys.executable, Path(__file__).parent)
    artifact._loaded.clear()
    store: dict[str, Any] = {}
    task = scored(fresh, entry, "r", engine=LocalDask(workers=1, python=relative), task_state_store=_Store(store))
    assert len(artifact._loaded) == 0
    assert store["batchscore_progress"]["rows_read"] == 120
    assert "of ../" in store["batchscore_progress"]["engine"]
    (manifest,) = _manifests(fresh, task)
    folder = Path(manifest).parents[1]
    found = pd.concat(map(pd.read_parquet, sorted(folder.glob("part-*.parquet"))))
    pd.testing.assert_frame_equal(found.reset_index(drop=True), fresh.plain(1))


class _Store:
    def __init__(self, kept: dict[str, Any]) -> None:
        self._kept = kept

    def get(self, key: str) -> Any:
        return self._kept.get(key)

    def set(self, key: str, value: Any) -> None:
        self._kept[key] = value

    def delete(self, key: str) -> None:
        self._kept.pop(key, None)


def test_a_model_is_imported_in_another_python_and_read_back_from_storage(fresh: Small) -> None:
    frame = pd.read_csv(fresh.folder / "part_0.csv")
    path = fresh.folder / "theirs.joblib"
    joblib.dump(LogisticRegression().fit(frame[["a", "b"]].astype(float), frame["label"]), path)

    def taken(**options: Any) -> dict[str, Any]:
        with dag():
            operator = ImportModelOperator(
                task_id="take",
                source=str(path),
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                dataset=fresh.dataset,
                partitions=[0],
                recipe=Recipe(target="label", keys=["id"], columns=["a", "b"]),
                model_uri=f"{fresh.folder}/taken",
                metrics=["accuracy", process],
                check=[{"a": 0.0, "b": 6, "expected": 0}, {"a": 4.0, "b": 0, "expected": 1}],
                **options,
            )
        result: dict[str, Any] = unseal("model", executed(operator), "model", "d/r", {"take"})
        return result

    there = taken(python=sys.executable)
    assert there["metrics"].pop("process") != os.getpid()
    assert list(there["metrics"]) == ["accuracy"]
    assert not there["reused"]
    again = taken(python=sys.executable)
    assert again["reused"]
    assert again["model"] == there["model"]


def test_training_refuses_an_engine_of_another_python(fresh: Small) -> None:
    with dag():
        train = TrainOperator(
            task_id="train",
            dataset=fresh.dataset,
            partitions=[0],
            recipe=fresh.recipe,
            estimator="sklearn.linear_model:LogisticRegression",
            model_uri=f"{fresh.folder}/trained",
            engine=LocalDask(python="/envs/x/bin/python"),
        )
    with pytest.raises(AirflowFailException, match="take it over with ImportModelOperator"):
        executed(train)
