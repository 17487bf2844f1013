"""Recipes and estimators that would do something else with the types that a notebook has are refused, with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from support import scores

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import ModelError, RecipeError
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

ROWS = 120
SIZES = ["S", "M", "L", "XL"]
BUDGETS = pd.DataFrame(
    [(f"{s}_{d}", s * 10.0 + d) for s in range(1, 6) for d in range(1, 4)], columns=["key", "budget"]
)


def _frame(partition: int) -> pd.DataFrame:
    chance = np.random.default_rng(partition)
    missing = chance.random(ROWS) < 0.1
    frame = pd.DataFrame(
        {
            "id": range(ROWS),
            "x": chance.normal(size=ROWS).round(3),
            "store": chance.integers(1, 6, ROWS),
            "dept": chance.integers(1, 4, ROWS),
            "zip": chance.choice([1067, 4109, 10115, 99084], ROWS),
            "size": pd.Categorical(chance.choice(SIZES, ROWS), SIZES, ordered=True),
            "name": pd.array(np.where(missing, None, chance.choice(["Ann", "Bob"], ROWS)), dtype="string"),
            "qty": pd.array(np.where(missing, None, chance.integers(0, 9, ROWS)), dtype="Int64"),
            "vip": pd.array(np.where(missing, None, chance.random(ROWS) < 0.5), dtype="boolean"),
        }
    )
    frame["y"] = frame["store"] * 10.0 + frame["dept"] + frame["size"].cat.codes * 100 + frame["x"]
    return frame


def _write(folder: Path, form: str) -> None:
    for partition in (1, 2):
        frame = _frame(partition)
        if form == "csv":
            frame.to_csv(folder / f"{partition}.csv", index=False)
        else:
            frame.to_parquet(folder / f"{partition}.parquet")


def _read(folder: Path, form: str, partition: int) -> pd.DataFrame:
    path = folder / f"{partition}.{form}"
    return pd.read_csv(path, float_precision="round_trip") if form == "csv" else pd.read_parquet(path)


def _published(
    folder: Path, form: str, features: Any, columns: list[str], estimator: Any = LinearRegression, **types: str
) -> pd.DataFrame:
    """The predictions for partition 2 of a model that was trained on partition 1."""
    options = {"column_types": types} if types else {}
    dataset = PartitionedDataset(f"{folder}/{{k}}.{form}", read_options=options)
    trained = train(TrainingJob(dataset, [1], Recipe(features, "y", ["id"], columns), estimator(), f"{folder}/model"))
    job = ScoringJob(
        dataset=dataset,
        scored_with=OneModel(trained.ref),
        output_uri=f"{folder}/staged",
        spec=OutputSpec.of("predict"),
        block_rows=50,
    )
    return scores(score_partitions(job, [{"k": "2"}], LocalDask(workers=2, processes=False))[0][0])


def _right(folder: Path, form: str, features: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """The same in a notebook."""
    train_rows, rows = (_read(folder, form, partition) for partition in (1, 2))
    made, wanted = features(train_rows.copy()), features(rows.copy())
    model = LinearRegression().fit(made, train_rows.loc[made.index, "y"])
    return pd.DataFrame({"id": rows.loc[wanted.index, "id"].to_numpy(), "prediction": model.predict(wanted)})


def _budget(frame: pd.DataFrame) -> pd.DataFrame:
    frame["key"] = frame["store"].astype(str) + "_" + frame["dept"].astype(str)
    return frame.merge(BUDGETS, on="key", how="left").set_axis(frame.index)[["x", "budget"]].fillna(0)


def _budget_of_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return _budget(frame.assign(store=frame["store"].astype("Int64"), dept=frame["dept"].astype("Int64")))


def _region(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"region": frame["zip"].astype(str).str.zfill(5).str[:2].astype(float), "x": frame["x"]})


def _big(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"big": (frame["size"] >= "L").astype(int), "x": frame["x"]})


def _big_by_size(frame: pd.DataFrame) -> pd.DataFrame:
    frame["size"] = pd.Categorical(frame["size"], categories=["S", "M", "L", "XL"], ordered=True)
    return _big(frame)


def _not_ann(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["name"] != "Ann"][["x"]]


def _many(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[~(frame["qty"] < 5)][["x"]]


def _not_vip(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["vip"] != True][["x"]]  # noqa: E712 as people write it


def _converted(column: str, kind: str, then: Callable[[pd.DataFrame], pd.DataFrame]) -> Any:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(kind)
        return then(frame)

    return features


#: Form, recipe, columns, what the message names and offers, and what is then right: column types, or another recipe.
CASES: dict[str, tuple[str, Any, list[str], str, dict[str, str], Any]] = {
    "a key of whole numbers, declared": (
        *("csv", _budget, ["store", "dept", "zip", "x"], r"'store' holds whole.*{'store': 'int64'}.*'dept' holds"),
        *({"store": "int64", "dept": "int64"}, _budget),
    ),
    "a key of whole numbers, converted": (
        *("parquet", _budget, ["store", "dept", "x"], r"frame\['store'\].astype\('Int64'\).*'dept'", {}),
        _budget_of_numbers,
    ),
    "a postal code": ("csv", _region, ["zip", "x"], r"'zip' holds whole numbers: int64", {"zip": "int64"}, _region),
    "an ordered category": (
        *("parquet", _big, ["size", "x"], r"frame\['size'\] = pd.Categorical\(.*\['S', 'M', 'L', 'XL'\], ordered=True"),
        *({}, _big_by_size),
    ),
    "nullable text": (
        *("parquet", _not_ann, ["name", "x"], r"'name' is stored as string.*<NA>.*astype\('string'\)", {}),
        _converted("name", "string", _not_ann),
    ),
    "nullable numbers": (
        *("parquet", _many, ["qty", "x"], r"'qty' is stored as Int64.*astype\('Int64'\)", {}),
        _converted("qty", "Int64", _many),
    ),
    "nullable truth values": (
        *("parquet", _not_vip, ["vip", "x"], r"'vip' is stored as boolean.*astype\('boolean'\)", {}),
        _converted("vip", "boolean", _not_vip),
    ),
}


@pytest.mark.parametrize(("form", "features", "columns", "message", "types", "mended"), CASES.values(), ids=list(CASES))
def test_a_recipe_that_differs_in_a_notebook_is_refused_and_the_remedy_works(
    tmp_path: Path, form: str, features: Any, columns: list[str], message: str, types: dict[str, str], mended: Any
) -> None:
    _write(tmp_path, form)
    with pytest.raises(RecipeError, match=f"(?s)in a notebook.*{message}") as caught:
        _published(tmp_path, form, features, columns)
    assert "'x'" not in str(caught.value).partition("Column ")[2]  # nobody is sent to a column that is innocent
    found = _published(tmp_path, form, mended, columns, **types)
    right = _right(tmp_path, form, features)
    assert found["id"].astype(int).tolist() == right["id"].tolist()
    np.testing.assert_allclose(found["prediction"], right["prediction"])


@pytest.mark.parametrize(
    ("features", "types"),
    [
        (_big, {"size": "string"}),
        (_not_ann, {"name": "string"}),
        (_many, {"qty": "float64"}),
        (_not_vip, {"vip": "bool"}),
    ],
)
def test_a_type_that_a_person_has_declared_is_what_is_meant(
    tmp_path: Path, features: Any, types: dict[str, str]
) -> None:
    _write(tmp_path, "parquet")
    assert len(_published(tmp_path, "parquet", features, [*types, "x"], **types))


def test_floats_of_a_file_that_lacks_a_number_are_floats_in_the_notebook_too(tmp_path: Path) -> None:
    for partition in (1, 2):
        frame = _frame(partition).astype({"zip": "Int64"})
        frame.loc[ROWS - 1, "zip"] = None
        frame.to_csv(tmp_path / f"{partition}.csv", index=False)

    def text(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"length": frame["zip"].astype(str).str.len().fillna(3.0), "x": frame["x"]})

    found, right = _published(tmp_path, "csv", text, ["zip", "x"]), _right(tmp_path, "csv", text)
    np.testing.assert_allclose(found["prediction"], right["prediction"])


def test_a_target_that_differs_in_a_notebook_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "csv")

    def label(frame: pd.DataFrame) -> Any:
        return frame["dept"].astype(str)

    dataset = PartitionedDataset(f"{tmp_path}/{{k}}.csv")
    recipe = Recipe(None, label, ["id"], ["x"])
    with pytest.raises(RecipeError, match=r"label would give .*is '\d\.0', not '\d'.*'dept' holds whole numbers"):
        train(TrainingJob(dataset, [1], recipe, "sklearn.linear_model:LogisticRegression", f"{tmp_path}/model"))


def test_a_whole_partition_is_looked_at_too(tmp_path: Path) -> None:
    _write(tmp_path, "csv")
    recipe = Recipe(_region, "y", ["id"], ["zip", "x"], row_wise=False)
    with pytest.raises(RecipeError, match=r"'zip' holds whole numbers"):
        train(
            TrainingJob(PartitionedDataset(f"{tmp_path}/{{k}}.csv"), [1], recipe, LinearRegression(), f"{tmp_path}/m")
        )


def test_a_recipe_that_needs_categories_hears_that_they_came_as_text(tmp_path: Path) -> None:
    _write(tmp_path, "parquet")

    def codes(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"size": frame["size"].cat.codes, "x": frame["x"]})

    def mended(frame: pd.DataFrame) -> pd.DataFrame:
        frame["size"] = pd.Categorical(frame["size"], categories=["S", "M", "L", "XL"], ordered=True)
        return codes(frame)

    with pytest.raises(RecipeError, match=r"\.cat accessor.*In a notebook it works.*'size' is stored as categories"):
        _published(tmp_path, "parquet", codes, ["size", "x"])
    found, right = _published(tmp_path, "parquet", mended, ["size", "x"]), _right(tmp_path, "parquet", codes)
    np.testing.assert_allclose(found["prediction"], right["prediction"])


def _selecting(encoder: Any, columns: Any) -> Any:
    numbers = make_column_selector(dtype_include="number")
    return make_pipeline(make_column_transformer((encoder, columns), ("passthrough", numbers)), LinearRegression())


def test_a_selector_picks_what_it_picks_in_a_notebook_or_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "parquet")

    def selecting() -> Any:
        return _selecting(OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="int"))

    def named() -> Any:
        return _selecting(OneHotEncoder(handle_unknown="ignore"), ["dept"])

    with pytest.raises(RecipeError, match=r"picks \[\] here, and \['dept'\].*Name the columns.*'dept'"):
        _published(tmp_path, "parquet", None, ["dept", "x"], selecting)
    assert len(_published(tmp_path, "parquet", None, ["dept", "x"], named)) == ROWS
    assert len(_published(tmp_path, "parquet", None, ["dept", "x"], selecting, dept="int64")) == ROWS


def _lengths(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(str).map(len)


def test_a_function_within_a_pipeline_is_held_to_the_notebook_too(tmp_path: Path) -> None:
    _write(tmp_path, "parquet")

    def pipeline() -> Any:
        return make_pipeline(FunctionTransformer(_lengths), LinearRegression())

    with pytest.raises(RecipeError, match=r"predict of Pipeline gives something else.*\['zip'\].*'zip' holds whole"):
        _published(tmp_path, "parquet", None, ["zip", "x"], pipeline)
    assert len(_published(tmp_path, "parquet", None, ["zip", "x"], pipeline, zip="int64")) == ROWS


def test_an_estimator_that_refuses_text_says_that_categories_arrive_so(tmp_path: Path) -> None:
    _write(tmp_path, "parquet")

    def boosted() -> Any:
        return HistGradientBoostingRegressor(max_iter=5, categorical_features=["size"])

    def as_categories(frame: pd.DataFrame) -> pd.DataFrame:
        frame["size"] = pd.Categorical(frame["size"], categories=["S", "M", "L", "XL"])
        return frame

    xgboost = pytest.importorskip("xgboost")
    with pytest.raises(ModelError, match=r"features \['size'\] are text: categories that a Parquet file holds"):
        _published(tmp_path, "parquet", None, ["size", "x"], lambda: xgboost.XGBRegressor(enable_categorical=True))
    assert len(_published(tmp_path, "parquet", as_categories, ["size", "x"], boosted)) == ROWS


def test_types_that_pandas_guesses_anew_for_each_frame_are_refused_in_training(tmp_path: Path) -> None:
    for partition in (1, 2):
        frame = _frame(partition)
        frame["name"] = np.where(frame["x"] > 0.8, None, "Ann")
        frame.to_csv(tmp_path / f"{partition}.csv", index=False)

    def converted(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"l": frame.convert_dtypes()["name"].str.len().fillna(0).astype(float), "x": frame["x"]})

    recipe = Recipe(converted, "y", ["id"], ["name", "x"])
    with pytest.raises(RecipeError, match=r"does not look at each row alone.*AttributeError: Can only use \.str"):
        train(
            TrainingJob(PartitionedDataset(f"{tmp_path}/{{k}}.csv"), [1], recipe, LinearRegression(), f"{tmp_path}/m")
        )
