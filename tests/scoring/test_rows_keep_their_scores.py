"""Whatever a recipe, a model or a function does to its frame: each row keeps its own score, or the run stops."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import BaseEstimator
from support import Small, good_rows, scores, small

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import RecipeError, ScoringError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.user_code import call
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

THREADS = LocalDask(workers=1, processes=False)
#: A row whose model input makes a linear model raise.
BAD: list[Any] = [(17, "", 2, 0)]


def in_place(frame: pd.DataFrame) -> pd.DataFrame:
    frame["a"] = np.log1p(frame["a"])
    frame["b"] -= 1
    return frame[["a", "b"]]


def _plain(data: Small, rows: list[Any], features: Any = in_place) -> tuple[list[int], np.ndarray]:
    """Ids and probabilities of good rows, by pandas and the model alone."""
    frame = pd.DataFrame(rows, columns=["id", "a", "b", "label"])
    model = artifact.load(data.model).estimator
    return frame["id"].tolist(), model.predict_proba(features(frame[["a", "b"]].astype(float)))[:, 1]


def test_a_recipe_that_assigns_to_its_frame_beside_a_bad_row(tmp_path: Path) -> None:
    data = small(tmp_path, features=in_place)
    good = good_rows(400, 100)
    data.add(1, good[:150] + BAD + good[150:])
    ((manifest, _),) = data.score(1, method="predict_proba", engine=THREADS)
    ids, expected = _plain(data, good)
    assert manifest.account == Account(401, 400, 0, 1)
    assert scores(manifest)["id"].tolist() == ids
    np.testing.assert_allclose(scores(manifest)["prediction_1"], expected, rtol=1e-9)


def test_training_labels_come_from_rows_that_the_recipe_has_not_altered(tmp_path: Path) -> None:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        frame["a"] = 0.0
        return frame[["a", "b"]]

    data = small(tmp_path, features=features, target=lambda frame: frame["a"] > 2)
    assert artifact.read_manifest(data.model).training.rows_trained == 200  # labels of one class would be refused


def sum_of_flags(frame: pd.DataFrame) -> pd.DataFrame:
    """``True + True`` is True as long as no value is missing, and 2 beside one."""
    return (frame["a"] + frame["b"]).astype(float).to_frame("flags")


def test_types_that_differ_from_batch_to_batch_are_looked_at(tmp_path: Path) -> None:
    flags: list[bool | None] = [True] * 300_000
    for partition, values in ((0, flags[:1000]), (1, [*flags[:-1], None])):
        table = pa.table({"id": range(len(values)), "a": pa.array(values), "b": pa.array(values)})
        pq.write_table(table, tmp_path / f"{partition}.parquet", row_group_size=300_000)
    dataset = PartitionedDataset(f"{tmp_path}/{{p}}.parquet")
    work = FunctionJob(FunctionRef.of(sum_of_flags), columns=("a", "b"), output_types={"flags": "double"})
    job = ScoringJob(dataset, work, f"{tmp_path}/staged", keys=("id",), block_rows=1_000_000)
    with pytest.raises(RecipeError, match="does not look at each row alone"):
        score_partitions(job, [{"p": "1"}], THREADS)


class KeepsItsRows(BaseEstimator):
    """As people write them: what it predicts for lies on ``self``, where another thread may put others meanwhile."""

    def fit(self, features: pd.DataFrame, labels: Any) -> KeepsItsRows:
        self.fitted_ = True
        return self

    def predict(self, features: Any) -> np.ndarray:
        self.rows_ = np.asarray(features, dtype=float)
        time.sleep(0.05)
        return self.rows_[:, 0]


def test_a_model_that_keeps_its_rows_on_itself_is_not_shared_by_threads(tmp_path: Path) -> None:
    data = small(tmp_path, columns=["a"])
    data.add(1, [(n, n, 0, 0) for n in range(400)])
    own = train(TrainingJob(data.dataset, [0], data.recipe, KeepsItsRows(), f"{tmp_path}/own")).ref
    ((manifest, _),) = data.score(1, model=own, block_rows=40, engine=LocalDask(workers=4, processes=False))
    assert scores(manifest)["prediction"].tolist() == [float(n) for n in range(400)]


_made_before: list[pd.DataFrame] = []


def keeps_a_result(frame: pd.DataFrame) -> pd.DataFrame:
    """Makes a table of the first rows, and gives it for all of that number from then on."""
    for made in _made_before:
        if len(made) == len(frame):
            return made
    _made_before.append(frame[["a", "b"]] * 2)
    return _made_before[-1]


def test_a_result_that_a_function_kept_of_other_rows_is_refused(tmp_path: Path) -> None:
    for number in (40, 80):
        table = pa.table({"a": np.arange(number), "b": np.arange(number)})
        call(FunctionRef.of(keeps_a_result), table)
        with pytest.raises(RecipeError, match="lost the index"):
            call(FunctionRef.of(keeps_a_result), table)


@pytest.mark.parametrize("loses", ["dropna", "sort_values"])
def test_a_lost_index_stops_training_and_scoring(tmp_path: Path, loses: str) -> None:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        return getattr(frame[["a", "b"]], loses)(*["a"][: loses == "sort_values"]).reset_index(drop=True)

    with pytest.raises(RecipeError, match="lost the index"):
        small(tmp_path, features=features)
    with pytest.raises(RecipeError, match="lost the index"):
        small(tmp_path, target=lambda frame: frame["label"].dropna().reset_index(drop=True))


def test_a_target_gives_a_column_or_several_and_never_a_bare_array(tmp_path: Path) -> None:
    frame_of_one = small(tmp_path / "one", target=lambda frame: frame[["label"]])
    assert artifact.load(frame_of_one.model).estimator.classes_.tolist() == [0, 1]
    with pytest.raises(RecipeError, match=r"returned ndarray.*pd.Series\(values, index=frame.index\)"):
        small(tmp_path / "array", target=lambda frame: frame["label"].to_numpy())
    several = small(tmp_path / "two")
    recipe = Recipe(target=lambda frame: frame[["label", "b"]].sample(frac=1, random_state=0), columns=["a", "b"])
    job = TrainingJob(several.dataset, [0], recipe, "sklearn.linear_model:LinearRegression", f"{tmp_path}/several")
    estimator = artifact.load(train(job).ref).estimator
    raw = pd.read_csv(several.folder / "part_0.csv")
    predicted = estimator.predict(raw[["a", "b"]].astype(float))
    np.testing.assert_allclose(predicted[:, 1], raw["b"], atol=1e-9)


def test_features_get_the_columns_that_are_named_in_training_too(tmp_path: Path) -> None:
    seen = tmp_path / "seen"

    def features(frame: pd.DataFrame) -> pd.DataFrame:
        with seen.open("a") as file:
            file.write(" ".join(frame.columns) + "\n")
        return frame[["a", "b"]]

    data = small(tmp_path, features=features, target=lambda frame: frame["label"])
    data.add(1, good_rows(20))
    data.score(1, engine=THREADS)
    assert set(seen.read_text().splitlines()) == {"a b"}
    seen.unlink()
    small(tmp_path / "all", features=features, columns=None, keys=[])
    assert set(seen.read_text().splitlines()) == {"id a b"}  # all but the target


def test_missing_text_is_nan_for_recipes_as_in_the_notebook(tmp_path: Path) -> None:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        assert not any(value is None for value in frame["name"])
        return frame[["a", "b"]].assign(named=frame["name"].notna())

    path = tmp_path / "part_0.csv"
    rows = [(n, n % 5, n % 7, n % 2, "" if n % 3 else "x") for n in range(60)]
    small(tmp_path)
    Small(tmp_path, None, None).add(0, rows, header=("id", "a", "b", "label", "name"))
    recipe = Recipe(features=features, target="label", columns=["a", "b", "name"])
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")
    ref = train(TrainingJob(dataset, [0], recipe, "sklearn.linear_model:LogisticRegression", f"{tmp_path}/named")).ref
    ((manifest, _),) = Small(tmp_path, ref, recipe).score(0, engine=THREADS)
    assert manifest.account.rows_scored == len(pd.read_csv(path))


def test_what_depends_on_neighbours_is_refused_in_training_and_where_data_first_shows_it(tmp_path: Path) -> None:
    def z_score(frame: pd.DataFrame) -> pd.DataFrame:
        return (frame[["a", "b"]] - frame[["a", "b"]].mean()) / frame[["a", "b"]].std()

    with pytest.raises(RecipeError, match="does not look at each row alone.*row_wise=False"):
        small(tmp_path / "training", features=z_score)
    data = small(tmp_path / "scoring", features=lambda frame: frame[["a", "b"]].fillna(frame[["a", "b"]].mean()))
    rows: list[Any] = list(good_rows(300))
    data.add(1, rows)
    data.score(1, engine=THREADS)  # nothing is missing here, as in training
    rows[123] = (123, "", 1, 0)
    data.add(2, rows)
    with pytest.raises(RecipeError, match="p=2, block 0 .*column 'a' of row 123 is"):
        data.score(2, engine=THREADS)


def test_a_recipe_over_whole_partitions_is_trained_partition_by_partition(tmp_path: Path) -> None:
    sizes = tmp_path / "sizes"

    def centred(frame: pd.DataFrame) -> pd.DataFrame:
        with sizes.open("a") as file:
            file.write(f"{len(frame)} ")
        return frame[["a", "b"]] - frame[["a", "b"]].mean()

    data = small(tmp_path)
    data.add(1, good_rows(60))
    recipe = Recipe(features=centred, target="label", columns=["a", "b"], row_wise=False)
    train(TrainingJob(data.dataset, [0, 1], recipe, "sklearn.linear_model:LogisticRegression", f"{tmp_path}/whole"))
    # Each is called again with the types of a notebook.
    assert list(dict.fromkeys(sizes.read_text().split())) == ["200", "60"]
    with pytest.raises(RecipeError, match="does not go with training by blocks"):
        estimator = "sklearn.linear_model:SGDClassifier"
        train(TrainingJob(data.dataset, [0], recipe, estimator, f"{tmp_path}/blocks", incremental=True))


def test_a_recipe_that_forks_writes_one_part(tmp_path: Path) -> None:
    def forks(frame: pd.DataFrame) -> pd.DataFrame:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        return frame[["a", "b"]]

    data = small(tmp_path, features=forks)
    data.add(1, good_rows(50))
    here = os.getpid()
    ((manifest, _),) = data.score(1, engine=THREADS)
    (tmp_path / f"out-{os.getpid()}").touch()
    assert [path.name for path in tmp_path.glob("out-*")] == [f"out-{here}"]
    assert manifest.account.rows_scored == 50


def test_dates_of_which_each_half_guesses_another_format_are_not_scored_in_halves(tmp_path: Path) -> None:
    """pandas.to_datetime takes the first value's format for all: 12 days a month look like months."""
    for partition, form in ((0, "%Y-%m-%d"), (1, "%d/%m/%Y")):
        days = pd.date_range("2024-01-01", periods=200).strftime(form)
        frame = pd.DataFrame({"id": range(200), "day": days, "y": np.arange(200.0)})
        frame.to_csv(tmp_path / f"part_{partition}.csv", index=False)

    def day_of_year(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.to_datetime(frame["day"]).dt.dayofyear.astype(float).to_frame("day")

    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")
    recipe = Recipe(features=day_of_year, target="y", keys=["id"], columns=["day"])
    job = TrainingJob(dataset, [0], recipe, "sklearn.linear_model:LinearRegression", f"{tmp_path}/model")
    scoring = ScoringJob(dataset, OneModel(train(job).ref), f"{tmp_path}/staged", limit=Limit.of(1.0))
    with pytest.raises(ScoringError, match="depends on others, and bad rows cannot be told from good ones"):
        score_partitions(scoring, [{"p": "1"}], THREADS)
