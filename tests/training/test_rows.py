"""The rows that a model is trained and measured on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from support import good_rows, write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.errors import InputError, ModelError, RecipeError
from airflow_batchscore.model import artifact
from airflow_batchscore.training.inputs import TrainingInput, look_at_columns
from airflow_batchscore.training.rows import as_share, read_rows, read_texts, split
from airflow_batchscore.training.train import TrainedModel, TrainingJob, train

pytestmark = pytest.mark.unit


def _train(folder: Path, recipe: Recipe | None = None, partitions: Any = 0, **options: Any) -> TrainedModel:
    job = {
        "dataset": PartitionedDataset(f"{folder}/part_{{p}}.csv"),
        "partitions": partitions,
        "recipe": recipe or Recipe(target="label", keys=["id"], columns=["a", "b"]),
        "estimator": "sklearn.linear_model:LogisticRegression",
        "model_uri": f"{folder}/model",
        **options,
    }
    return train(TrainingJob(**job))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "part_0.csv", good_rows(200))
    write_csv(tmp_path / "part_1.csv", good_rows(100, 7))
    return tmp_path


def test_labels_keep_their_type_also_when_some_are_missing(folder: Path) -> None:
    write_csv(folder / "part_0.csv", [*good_rows(50), (50, 1, 1, "")])
    trained = _train(folder)
    assert artifact.load(trained.ref).estimator.classes_.dtype == "int64"
    assert trained.manifest.training.rows_trained == 50


def test_without_columns_and_features_every_number_but_keys_and_target_is_a_feature(folder: Path) -> None:
    trained = _train(folder, Recipe(target="label", keys=["id"]))
    assert trained.manifest.signature.features == ("a", "b")


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([], None, "no rows to train on"),
        ([(1, 2, 3)], ("id", "a", "label"), r"lacks the columns \['b'\]"),
        ([(1, 2, 3, 0), (1, "x", 3, 1)], None, "could not be fitted|failed"),
    ],
)
def test_bad_training_data_is_named(tmp_path: Path, rows: Any, header: Any, message: str) -> None:
    write_csv(tmp_path / "part_0.csv", rows, header or ("id", "a", "b", "label"))
    with pytest.raises((InputError, ModelError, RecipeError), match=message):
        _train(tmp_path)


def test_a_row_with_too_many_fields_stops_training_and_is_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_0.csv", [*good_rows(3), (1, 2, 3, 4, 5)])
    with pytest.raises(InputError, match=r"part_0.csv.*row 3: expected 4 fields, found 5"):
        _train(tmp_path)


def test_a_key_that_no_feature_can_hold_does_not_stop_training(tmp_path: Path) -> None:
    frame = pd.DataFrame(good_rows(40), columns=["id", "a", "b", "label"])
    frame["id"] = pd.array([None, *range(2**53 + 1, 2**53 + 40)], dtype="Int64")
    frame.to_parquet(tmp_path / "p=0.parquet")
    recipe = Recipe(target="label", keys=["id"], columns=["a", "b"])
    job = TrainingJob(
        PartitionedDataset(f"{tmp_path}/p={{p}}.parquet"), [0], recipe, LogisticRegression(), f"{tmp_path}/model"
    )
    assert train(job).manifest.training.rows_trained == 40


def test_a_recipe_that_skips_all_or_fails_is_named(folder: Path) -> None:
    with pytest.raises(RecipeError, match="skipped all 200 rows"):
        _train(folder, Recipe(features=lambda frame: frame.iloc[:0], target="label"))
    with pytest.raises(RecipeError, match="the recipe failed on the training rows: KeyError: .*nope"):
        _train(folder, Recipe(features=lambda frame: frame[["nope"]], target="label"))


def test_a_recipe_that_fails_on_numbers_taken_for_text_is_told_the_column(tmp_path: Path) -> None:
    write_csv(tmp_path / "part_0.csv", [*good_rows(30), (99, "n.a.", 1, 0)])
    recipe = Recipe(features=lambda frame: frame[["b"]].assign(half=frame["a"] / 2), target="label", keys=["id"])
    with pytest.raises(RecipeError, match=r"failed .*TypeError.*'a' is text, .*'n\.a\.'.*\{'a': 'float64'\}") as caught:
        _train(tmp_path, recipe)
    assert "output_types" not in str(caught.value)


def test_labels_that_are_all_missing_are_not_called_skipped(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,x,y\n" + "".join(f"{n},1.5,\n" for n in range(50)))
    dataset = PartitionedDataset(f"{tmp_path}/{{k}}.csv")

    def train_with(features: Any) -> None:
        train(
            TrainingJob(dataset, [1], Recipe(features, "y", ["id"], ["id", "x"]), LinearRegression(), f"{tmp_path}/m")
        )

    with pytest.raises(RecipeError, match="k=1: all 50 rows have no label, so that there is nothing to train on"):
        train_with(lambda frame: frame[["x"]])
    with pytest.raises(RecipeError, match="the recipe skipped 20 rows and 30 rows have no label"):
        train_with(lambda frame: frame[frame["id"] >= 20][["x"]])
    with pytest.raises(RecipeError, match="the recipe skipped all 50 rows"):
        train_with(lambda frame: frame[frame["id"] > 50][["x"]])


@pytest.mark.parametrize(
    ("given", "share"),
    [(0.25, 0.25), ("0.25", 0.25), (None, None), ("", None), ([1], None), ("2015", None), (1, None), (0, None)],
)
def test_a_share_is_a_number_between_0_and_1(given: Any, share: float | None) -> None:
    assert as_share(given) == share


def _source(folder: Path, recipe: Recipe) -> tuple[TrainingInput, list[Partition]]:
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
    partitions = [dataset.pin(partition) for partition in dataset.require([0, 1])]
    return look_at_columns(dataset, recipe, partitions)[1], partitions


def test_rows_that_are_held_out_are_the_same_each_time_and_in_order(folder: Path) -> None:
    source, partitions = _source(folder, Recipe(target="label", columns=["a", "b"]))
    rows = read_rows(source, partitions)
    (fit, test, told), (again, _, _) = split(source, 0.25, rows), split(source, 0.25, rows)
    assert told == "held-out 25% of the rows"
    assert (len(fit.features), len(test.features)) == (225, 75)
    assert fit.features.equals(again.features)
    assert fit.features.index.is_monotonic_increasing
    assert sorted([*fit.features.index, *test.features.index]) == list(range(300))
    assert test.labels is not None
    assert test.labels.index.equals(test.features.index)
    assert split(source, None, rows) == (rows, rows, "training rows")


def test_a_recipe_over_whole_partitions_gets_each_alone(folder: Path) -> None:
    def centred(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[["a"]] - frame["a"].mean()

    source, partitions = _source(folder, Recipe(centred, "label", columns=["a"], row_wise=False))
    features = read_rows(source, partitions).features
    assert [len(features), *(abs(part.mean()) < 1e-9 for part in (features["a"][:200], features["a"][200:]))] == [
        *(300, True, True)
    ]


def test_cells_left_off_a_row_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "part_1.csv").write_text("id,a,b,label\n1,2.0,3,1\n2,2.0,3\n")
    source, (_, partition) = _source(folder, Recipe(target="label", columns=["a", "b"]))
    with pytest.raises(InputError, match=r"part_1.csv, row 1: expected 4 fields, found 3.*pad_short_rows.*fix the row"):
        read_rows(source, [partition])
    padded = replace(source.dataset, read_options={"pad_short_rows": True})
    rows = read_rows(replace(source, dataset=padded), [partition])
    assert (rows.read, len(rows.features), rows.unlabelled) == (2, 1, 1)
    assert "1 row had fewer cells than the header; those left off were taken as empty" in caplog.text


def test_model_names_are_read_as_texts(folder: Path) -> None:
    (folder / "part_0.csv").write_text("shop,a\n007,1\n7,2\n")
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv")
    partitions = [dataset.pin(partition) for partition in dataset.require([0])]
    assert read_texts(dataset, partitions, "shop") == ["007", "7"]


def test_the_target_is_withheld_and_who_asks_for_it_is_told(folder: Path) -> None:
    source, partitions = _source(folder, Recipe(lambda frame: frame[["a", "label"]], "label"))
    with pytest.raises(RecipeError, match="KeyError.*The target 'label' is withheld from features"):
        read_rows(source, partitions)


def test_a_column_that_features_reads_and_columns_does_not_name_is_told(folder: Path) -> None:
    source, partitions = _source(folder, Recipe(lambda frame: frame[["a", "b"]], "label", columns=["a"]))
    with pytest.raises(RecipeError, match=r"KeyError.*name it, too: Recipe\(columns=\['a'\]\) is all it gets"):
        read_rows(source, partitions)


def test_text_of_another_encoding_says_how_to_read_it(folder: Path) -> None:
    (folder / "part_1.csv").write_bytes("a,town,label\n1,K\u00f6ln,0\n2,Bonn,1\n".encode("latin-1"))
    source, (_, partition) = _source(folder, Recipe(lambda frame: frame[["a"]], "label", columns=["a"]))
    source = replace(source, types={"a": "float64", "town": "string", "label": "int64"})
    with pytest.raises(InputError, match=r"part_1.csv, row 0: column 'town': .*\{\"encoding\": \"latin-1\"\}$"):
        read_rows(source, [partition])
    latin = replace(source.dataset, read_options={"encoding": "latin-1"})
    assert read_rows(replace(source, dataset=latin), [partition]).read == 2


def test_keys_that_the_data_does_not_have_are_told_before_anything_is_scored(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for columns in (["a"], None):
        caplog.clear()
        _source(folder, Recipe(target="label", keys=["id", "order"], columns=columns))
        assert "do not have the columns ['order'] of keys=" in caplog.text
