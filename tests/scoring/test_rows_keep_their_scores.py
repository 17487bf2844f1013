"""Whatever a recipe, a model or a function does to its frame: each row keeps its own score, or the run stops."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import Small, good_rows, scores, small

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import InputError, RecipeError, ScoringError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.training import TrainingJob, train
from airflow_batchscore.model.user_code import call
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.profile import count
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.matrix import MatrixInput
from airflow_batchscore.scoring.partition import score_partitions

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
    assert artifact.read_manifest(data.model).training["rows_trained"] == 200  # labels of one class would be refused


class AltersItsInput(ClassifierMixin, BaseEstimator):
    """Each method writes into the rows that it is given."""

    def fit(self, X: Any, y: Any) -> AltersItsInput:  # noqa: N803
        self.classes_ = np.array([0, 1])
        X[:] = 99
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        found = np.asarray(X)[:, 0].copy() > 1
        X[:] = 99
        return found.astype(int)

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        found = np.asarray(X)[:, 0].copy() / 100
        X[:] = 99
        return np.column_stack([1 - found, found])


@pytest.mark.parametrize(
    "estimator", [AltersItsInput(), make_pipeline(StandardScaler(copy=False), LogisticRegression())]
)
@pytest.mark.parametrize("features", [None, lambda frame: frame[["a", "b"]]])
def test_a_model_that_alters_its_input_gives_what_it_gives_for_fresh_rows(
    tmp_path: Path, estimator: Any, features: Any
) -> None:
    plain = small(tmp_path)
    recipe = Recipe(features=features, target="label", keys=["id"], columns=["a", "b"])
    trained = train(TrainingJob(plain.dataset, [0], recipe, estimator, f"{tmp_path}/alters"))
    data = Small(tmp_path, trained.ref, recipe)
    data.add(1, good_rows(300, 40))
    ((manifest, _),) = data.score(1, method="predict, predict_proba", engine=THREADS)

    raw = pd.read_csv(tmp_path / "part_1.csv")[["a", "b"]].astype(float)
    model = artifact.load(trained.ref)
    found = scores(manifest)
    np.testing.assert_array_equal(found["predict"], model.estimator.predict(raw.copy()))
    np.testing.assert_allclose(found["predict_proba_1"], model.estimator.predict_proba(raw.copy())[:, 1])
    if model.manifest.signature.matrix:
        assert MatrixInput.of(model, OutputSpec.of("predict, predict_proba")) is not None or features
    reference = model.manifest.profile["features"]
    assert manifest.blocks[0].features == count(raw, reference["bins"])
    trained_on = pd.read_csv(tmp_path / "part_0.csv")[["a", "b"]].astype(float)
    assert reference["counts"] == count(trained_on, reference["bins"])
    assert trained.manifest.metrics["accuracy"] == pytest.approx(
        (model.estimator.predict(trained_on.copy()) == pd.read_csv(tmp_path / "part_0.csv")["label"]).mean()
    )


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
    job = ScoringJob(dataset, None, f"{tmp_path}/staged", function=work, keys=("id",), block_rows=1_000_000)
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


def test_a_recipe_over_whole_partitions_scores_them_whole(tmp_path: Path) -> None:
    def ranks(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[["a", "b"]].rank(pct=True).dropna()

    for name in ("x_0", "x_1", "y_0", "y_1"):
        rows = [(n, *row[1:]) for n, row in enumerate(good_rows(150, len(name)))]
        Small(tmp_path, None, None).add(f"{name}", [(row[0] + 1000 * int(name[-1]), *row[1:]) for row in rows])
    with (tmp_path / "part_y_1.csv").open("a") as file:
        file.write("1500,broken,3,1\n1501,2.5,3,1\n")
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}_*.csv")
    recipe = Recipe(features=ranks, target="label", keys=["id"], columns=["a", "b"], row_wise=False)
    trained = train(TrainingJob(dataset, ["x"], recipe, "sklearn.linear_model:LogisticRegression", f"{tmp_path}/whole"))
    assert not artifact.read_manifest(trained.ref).recipe.row_wise
    data = Small(tmp_path, trained.ref, recipe)
    found = []
    for rows in (40, 10_000):
        options = {"dataset": dataset, "method": "predict_proba", "output_uri": f"{tmp_path}/staged{rows}"}
        ((manifest, _),) = data.score("y", block_rows=rows, engine=THREADS, **options)
        assert manifest.account == Account(302, 301, 0, 1)
        found.append(scores(manifest))
        (quarantine,) = (f"{manifest.folder}/{block.quarantine}" for block in manifest.blocks)
        assert pd.read_parquet(quarantine)["row"].tolist() == [300]
    raw = pd.concat([pd.read_csv(tmp_path / f"part_y_{n}.csv") for n in (0, 1)], ignore_index=True)
    raw = raw[raw["a"] != "broken"].astype(float)
    expected = artifact.load(trained.ref).estimator.predict_proba(ranks(raw))[:, 1]
    for each in found:
        assert each["id"].astype(float).tolist() == raw["id"].tolist()
        np.testing.assert_allclose(each["prediction_1"], expected)


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


def test_a_row_that_raises_fails_a_partition_that_is_scored_whole(tmp_path: Path) -> None:
    recipe = Recipe(features=lambda frame: frame[["a", "b"]], target="label", keys=["id"], row_wise=False)
    data = small(tmp_path)
    ref = train(TrainingJob(data.dataset, [0], recipe, "strange_models:Picky", f"{tmp_path}/picky")).ref
    data.add(1, [(n, 13 if n == 4 else 1, 2, 0) for n in range(20)])
    with pytest.raises(ScoringError, match=r"p=1, the whole partition.*thirteen.*none can be set apart"):
        data.score(1, model=ref, engine=THREADS)


class Gives(ClassifierMixin, BaseEstimator):
    """Predicts what the column says: a number, text, nothing."""

    def __init__(self, values: tuple[Any, ...] = (), kind: str | None = None) -> None:
        self.values = values
        self.kind = kind

    def fit(self, X: Any, y: Any) -> Gives:  # noqa: N803
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        found = pd.Series([self.values[int(place)] for place in np.asarray(X)[:, 0]], dtype="object")
        return found.astype(self.kind) if self.kind else found.to_numpy()


def _given(folder: Path, values: tuple[Any, ...], kind: str | None, at: int, **options: Any) -> Any:
    """Scores of a model that was trained where it gives the first value only; row 6 has the one at `at`."""
    plain = small(folder)
    plain.add(5, [(n, 0, 1, n % 2) for n in range(20)])
    job = TrainingJob(plain.dataset, [5], plain.recipe, Gives(values, kind), f"{folder}/gives", metrics=[])
    data = Small(folder, train(job).ref, plain.recipe)
    data.add(1, [(n, at if n == 6 else 0, 1, 0) for n in range(10)])
    ((manifest, _),) = data.score(1, engine=THREADS, **options)
    return scores(manifest)["prediction"]


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        ((1.0, None), None, "None"),
        ((1.0, float("nan")), None, "nan"),
        ((1.0, float("inf")), None, "inf"),
        ((1, pd.NA), None, "<NA>"),
        ((1, pd.NA), "Int64", "(<NA>|.*nan.)"),
        ((True, pd.NA), "boolean", "<NA>"),
        (("x", None), None, "None"),
        (("x", float("nan")), None, "nan"),
        (("x", None), "category", "(nan|None)"),
        (("x", pd.NA), "string", "(<NA>|nan)"),
    ],
)
def test_predictions_that_are_not_there_are_refused_whatever_holds_them(
    tmp_path: Path, values: tuple[Any, ...], kind: str | None, shown: str
) -> None:
    with pytest.raises(ScoringError, match=f"1 of 10 predictions .*'prediction'; the first is {shown} for row 6"):
        _given(tmp_path, values, kind, at=1)
    assert _given(tmp_path, values, kind, at=1, allow_nan=True).isna().sum() in (0, 1)  # infinity is there
    assert _given(tmp_path, values, kind, at=0).tolist() == [values[0]] * 10


@pytest.mark.parametrize(
    ("values", "at", "shown"),
    [
        ((1.0, "high"), 1, "row 6 has 'high'"),
        ((1.0, "2.5"), 1, "row 6 has '2.5'"),
        ((1, 2.5), 1, "row 6 has 2.5"),
        ((1.0, True), 1, "row 6 has True"),
        (("x", 7), 1, "row 6 has 7"),
        (("x", b"y"), 1, "row 6 has b'y'"),
    ],
)
def test_predictions_of_another_kind_are_refused_with_the_row(
    tmp_path: Path, values: tuple[Any, ...], at: int, shown: str
) -> None:
    with pytest.raises(ScoringError, match=f"the output 'prediction' is .*{shown}"):
        _given(tmp_path, values, None, at)


def test_a_flag_on_a_value_that_is_not_there_is_refused_though_only_the_flag_is_kept(tmp_path: Path) -> None:
    data = small(tmp_path)
    job = TrainingJob(data.dataset, [0], data.recipe, "strange_models:NanRegressor", f"{tmp_path}/nan")
    data.add(1, good_rows(9))
    options = {"model": train(job).ref, "outputs": [], "flags": {"low": "prediction<1"}}
    with pytest.raises(ScoringError, match="9 of 9 predictions are NaN"):
        data.score(1, engine=THREADS, **options)


def test_a_recipe_that_forks_writes_one_part(tmp_path: Path) -> None:
    def forks(frame: pd.DataFrame) -> pd.DataFrame:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        return frame[["a", "b"]]

    data = small(tmp_path)
    recipe = Recipe(features=lambda frame: frame[["a", "b"]], target="label", keys=["id"], columns=["a", "b"])
    data = small(tmp_path, features=forks)
    data.add(1, good_rows(50))
    here = os.getpid()
    ((manifest, _),) = data.score(1, engine=THREADS)
    (tmp_path / f"out-{os.getpid()}").touch()
    assert [path.name for path in tmp_path.glob("out-*")] == [f"out-{here}"]
    assert manifest.account.rows_scored == 50
    assert recipe.keys == ("id",)


def _apply(folder: Path, function: Any, **options: Any) -> Any:
    names = ("group_by", "columns", "output_types", "row_wise")
    of_function = {name: options.pop(name) for name in names if name in options}
    job = ScoringJob(
        PartitionedDataset(f"{folder}/part_{{p}}.parquet"),
        None,
        options.pop("output_uri", f"{folder}/staged"),
        function=FunctionJob(FunctionRef.of(function), **of_function),
        **{"keys": ("id",), **options},
    )
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], THREADS)
    return manifest


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
    scoring = ScoringJob(dataset, train(job).ref, f"{tmp_path}/staged", limit=Limit.of(1.0))
    with pytest.raises(ScoringError, match="depends on others, and bad rows cannot be told from good ones"):
        score_partitions(scoring, [{"p": "1"}], THREADS)


def test_a_function_that_assigns_to_its_frame_beside_a_bad_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": range(200), "x": [float(n % 50) for n in range(200)]}), tmp_path / "part_1.parquet")

    def assigns(rows: pd.DataFrame) -> pd.DataFrame:
        rows["x"] += 1
        if (rows["id"] == 77).any():
            raise ValueError("not this one")
        return rows[["x"]]

    manifest = _apply(tmp_path, assigns, output_types={"x": "double"})
    found = scores(manifest)
    assert manifest.account == Account(200, 199, 0, 1)
    assert found["x"].tolist() == [float(n % 50) + 1 for n in range(200) if n != 77]
    assert found["id"].tolist() == [n for n in range(200) if n != 77]


def test_a_function_may_give_its_rows_in_any_order(tmp_path: Path) -> None:
    table = pa.table({"id": range(200), "x": [float(n * 7 % 50) for n in range(200)]})
    pq.write_table(table, tmp_path / "part_1.parquet")
    found = scores(_apply(tmp_path, lambda rows: rows.sort_values("x")[["x"]]))
    assert found["x"].tolist() == table.column("x").to_pylist()


def test_a_function_over_whole_partitions_gets_all_rows_at_once(tmp_path: Path) -> None:
    table = pa.table({"id": range(200), "x": [float(n * 7 % 50) for n in range(200)]})
    pq.write_table(table, tmp_path / "part_1.parquet", row_group_size=30)
    ranked = _apply(tmp_path, lambda rows: rows[["x"]].rank(), row_wise=False, block_rows=30)
    assert scores(ranked)["x"].tolist() == table.to_pandas()["x"].rank().tolist()
    with pytest.raises(RecipeError, match="does not look at each row alone"):
        _apply(tmp_path, lambda rows: rows[["x"]].rank(), block_rows=30)


def _grouped(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(rows)]})


@pytest.mark.parametrize(
    "values",
    [
        pa.array([0.0, -0.0, 1.5, None, float("nan")] * 40),
        pa.array([0.0, -0.0, 1.5, None, float("nan")] * 40, pa.float32()),
        pa.array(["\0", None, "", "0", "None"] * 40),
        pa.array(["x", None, "y", "z", "x"] * 40).dictionary_encode(),
        pa.array([True, None, False, True, None] * 40),
        pa.array([1, None, 3, 4, 5] * 40, pa.timestamp("us")),
        pa.array([1, None, 3, 4, 5] * 40).cast(pa.decimal128(30, 2)),
        pa.array([1, None, 3, 4, 5] * 40, pa.duration("s")),
    ],
    ids=str,
)
def test_groups_are_the_same_in_one_block_and_in_many(tmp_path: Path, values: pa.Array) -> None:
    place = pa.array([n * 13 % 200 for n in range(200)])
    pq.write_table(pa.table({"by": values.take(place)}), tmp_path / "part_1.parquet", row_group_size=20)
    found = []
    for rows in (20, 10_000):
        options = {"keys": None, "group_by": ("by",), "block_rows": rows, "output_uri": f"{tmp_path}/staged{rows}"}
        manifest = _apply(tmp_path, _grouped, **options)
        parts = [pq.read_table(f"{manifest.folder}/{block.part}") for block in manifest.blocks]
        found.append(sorted((str(row["by"]), row["rows"]) for part in parts for row in part.to_pylist()))
    assert found[0] == found[1]
    plain = Counter(None if value != value else value for value in values.to_pylist())
    assert sorted(rows for _, rows in found[0]) == sorted(plain.values())
    assert not any(value in ("-0.0", "nan") for value, _ in found[0])


def test_a_column_that_cannot_make_groups_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"by": [[1], [2]] * 20}), tmp_path / "part_1.parquet", row_group_size=20)
    for rows in (20, 100):
        with pytest.raises(InputError, match="the column 'by' is list<.*cannot make groups"):
            _apply(tmp_path, _grouped, keys=None, group_by=("by",), output_types={"rows": "int64"}, block_rows=rows)
