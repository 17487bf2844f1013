"""What pandas notes in a Parquet file about an index moves no row: columns are what the schema says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import Small, scores, small

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.model import artifact
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.job import FunctionJob
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

ROWS = 240


def _plain() -> pd.DataFrame:
    return pd.DataFrame(
        {
            # Uneven: pandas 3 makes a range of even ones, and a range is stored outside the columns.
            "id": np.arange(ROWS) + np.arange(ROWS) // 100 + 1000,
            "a": np.arange(ROWS) % 17 / 4,
            "b": np.arange(ROWS) % 7,
            "g": np.arange(ROWS) % 5,
        }
    )


WRITTEN: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "an id as the index": lambda frame: frame.set_index("id"),
    "a feature as the index": lambda frame: frame.set_index("a"),
    "two columns as the index": lambda frame: frame.set_index(["id", "b"]),
    "rows 100 to 200": lambda frame: frame[100:200],
    "every second row": lambda frame: frame[::2],
    "backwards": lambda frame: frame[::-1],
    "filtered rows": lambda frame: frame[frame["b"] > 2],
    "shuffled rows": lambda frame: frame.sample(frac=1, random_state=0),
    "dates as the index": lambda frame: frame.set_axis(pd.date_range("2026-01-01", periods=len(frame))),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return small(tmp_path_factory.mktemp("trained"), features=lambda frame: frame[["a", "b"]])


@pytest.fixture(params=WRITTEN)
def written(request: pytest.FixtureRequest, trained: Small, tmp_path: Path) -> tuple[Small, pd.DataFrame]:
    """A partition as pandas wrote it, and its rows in the file's order."""
    frame = WRITTEN[request.param](_plain())
    (tmp_path / "p=1").mkdir()
    frame.to_parquet(tmp_path / "p=1" / "0.parquet")
    return trained.copied(tmp_path), frame.reset_index()[["id", "a", "b", "g"]]


def _rows(data: Small, **options: Any) -> Any:
    dataset = PartitionedDataset(f"{data.folder}/p={{p}}/")
    ((manifest, _),) = data.score(1, dataset=dataset, block_rows=50, **options)
    assert manifest.account == Account(manifest.account.rows_read, manifest.account.rows_read, 0, 0)
    return scores(manifest)


def test_every_key_has_the_prediction_of_its_row(written: tuple[Small, pd.DataFrame]) -> None:
    data, plain = written
    found = _rows(data, keys=("id",), method="predict_proba")
    model = artifact.load(data.model).estimator
    assert found["id"].tolist() == plain["id"].tolist()
    expected = model.predict_proba(plain[["a", "b"]].astype(float))[:, 1]
    np.testing.assert_allclose(found["prediction_1"], expected, rtol=1e-12)


def test_a_function_sees_every_row_in_its_place(written: tuple[Small, pd.DataFrame]) -> None:
    data, plain = written
    job = FunctionJob(FunctionRef.of(lambda frame: frame[["a"]] * 2 + frame[["b"]].to_numpy()))
    found = _rows(data, scored_with=job, keys=("id",))
    assert found["id"].tolist() == plain["id"].tolist()
    assert found["a"].tolist() == (plain["a"] * 2 + plain["b"]).tolist()


def test_a_group_holds_its_own_rows(written: tuple[Small, pd.DataFrame]) -> None:
    data, plain = written
    job = FunctionJob(FunctionRef.of(lambda rows: rows[["id"]].sum().to_frame("total")), group_by=("g",))
    found = _rows(data, scored_with=job)
    assert found.set_index("g")["total"].sort_index().to_dict() == plain.groupby("g")["id"].sum().to_dict()


def test_training_takes_each_row_with_its_label(written: tuple[Small, pd.DataFrame], tmp_path: Path) -> None:
    _, plain = written
    recipe = Recipe(
        features=lambda frame: frame[["a", "b"]].assign(b=frame["b"] * 2),
        target=lambda frame: frame["id"] % 3,
        keys=["id"],
    )
    dataset = PartitionedDataset(f"{tmp_path}/p={{p}}/")
    trained = train(TrainingJob(dataset, [1], recipe, "sklearn.tree:DecisionTreeClassifier", f"{tmp_path}/trained"))
    from sklearn.tree import DecisionTreeClassifier

    features = plain[["a", "b"]].astype(float).assign(b=plain["b"] * 2.0)
    expected = DecisionTreeClassifier().fit(features, plain["id"] % 3).predict_proba(features)
    np.testing.assert_allclose(artifact.load(trained.ref).estimator.predict_proba(features), expected)


def test_an_index_without_a_name_is_no_feature(tmp_path: Path) -> None:
    """Rows that were filtered carry one; the next partition's may not."""
    frame = _plain().assign(label=lambda frame: frame["b"] % 2)
    for name, rows in {"0": frame[frame["b"] > 2], "1": frame}.items():
        (tmp_path / f"p={name}").mkdir()
        rows.to_parquet(tmp_path / f"p={name}" / "0.parquet")
    dataset = PartitionedDataset(f"{tmp_path}/p={{p}}/")
    recipe = Recipe(target="label", keys=["id"])
    trained = train(TrainingJob(dataset, [0], recipe, "sklearn.tree:DecisionTreeClassifier", f"{tmp_path}/model"))
    assert trained.manifest.signature.features == ("a", "b", "g")
    data = Small(tmp_path, trained.ref, recipe)
    assert _rows(data)["id"].tolist() == frame["id"].tolist()
    named = Recipe(target="label", keys=["__index_level_0__"], columns=["a"])
    trained = train(TrainingJob(dataset, [0], named, "sklearn.tree:DecisionTreeClassifier", f"{tmp_path}/model"))
    ((manifest, _),) = Small(tmp_path, trained.ref, named).score(0, dataset=dataset)
    assert scores(manifest)["__index_level_0__"].tolist() == frame.index[frame["b"] > 2].tolist()
