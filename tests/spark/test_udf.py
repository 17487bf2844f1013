"""A model as a column of Spark: what its function gives for the batches that a Python worker hands it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import Small, good_rows, small

from airflow_batchscore.errors import InputError, ModelError, ScoringError
from airflow_batchscore.model import artifact
from airflow_batchscore.training.train import TrainingJob, train

pytest.importorskip("pyspark", reason="it pins pandas<3")
from airflow_batchscore.spark import predict_udf

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """With a recipe that leaves out rows without `b`."""
    return small(tmp_path_factory.mktemp("data"), features=lambda frame: frame[["a", "b"]].dropna())


def _rows(count: int, *, without: Sequence[int] = ()) -> pd.DataFrame:
    frame = pd.DataFrame(good_rows(count), columns=["id", "a", "b", "label"])[["a", "b"]].astype(float)
    frame.loc[list(without), "b"] = None
    return frame


def _given(udf: Any, *batches: pd.DataFrame) -> list[Any]:
    return list(udf.func(iter(batches)))


def test_batches_are_put_together_into_groups_and_keep_their_order(data: Small) -> None:
    frame = _rows(60)
    groups = _given(predict_udf(data.model.uri, group_rows=25), frame[:20], frame[20:40], frame[40:])
    assert [len(group) for group in groups] == [40, 20]
    plain = artifact.load(data.model).estimator.predict(frame)
    assert pd.concat(groups).tolist() == plain.tolist()


def test_a_row_that_the_recipe_leaves_out_is_null_in_its_place(data: Small) -> None:
    frame = _rows(10, without=(0, 4, 9))
    (scores,) = _given(predict_udf(data.model.uri), frame)
    assert scores.index[scores.isna()].tolist() == [0, 4, 9]
    plain = artifact.load(data.model).estimator.predict(frame.dropna())
    assert scores.dropna().tolist() == plain.tolist()


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_a_group_of_which_every_row_is_left_out_is_all_null(data: Small, method: str) -> None:
    (scores,) = _given(predict_udf(data.model.uri, method=method), _rows(3, without=range(3)))
    assert len(scores) == 3
    assert scores.isna().to_numpy().all()


def test_several_outputs_are_a_struct_and_one_a_column(data: Small) -> None:
    both = predict_udf(data.model.uri, method="predict_proba")
    one = predict_udf(data.model.uri, method="predict_proba", outputs=["prediction_1"])
    assert both.returnType.simpleString() == "struct<prediction_0:double,prediction_1:double>"
    assert one.returnType.simpleString() == "double"
    frame = _rows(12)
    (struct,), (column,) = _given(both, frame), _given(one, frame)
    assert list(struct) == ["prediction_0", "prediction_1"]
    assert struct["prediction_1"].tolist() == column.tolist()


def test_batches_without_rows_give_none(data: Small) -> None:
    assert _given(predict_udf(data.model.uri)) == []
    assert sum(map(len, _given(predict_udf(data.model.uri), _rows(0), _rows(2), _rows(0)))) == 2


def test_a_row_that_cannot_be_scored_fails_with_its_values(data: Small, tmp_path: Path) -> None:
    job = TrainingJob(data.dataset, [0], data.recipe, "strange_models:Picky", f"{tmp_path}/picky")
    with pytest.raises(ScoringError, match=r"thirteen is not a number that I like; its values: .*13.0.*score_table"):
        _given(predict_udf(train(job).ref.uri), pd.DataFrame({"a": [1.0, 13.0], "b": [2.0, 2.0]}))


def test_a_column_that_has_another_type_is_named(data: Small) -> None:
    with pytest.raises(InputError, match="the struct.*'a'"):
        _given(predict_udf(data.model.uri), pd.DataFrame({"a": ["text"], "b": [1.0]}))


def test_what_the_model_does_not_have_is_refused_before_the_query(data: Small) -> None:
    with pytest.raises(ModelError, match="has no 'transform'; it has predict"):
        predict_udf(data.model.uri, method="transform")
    with pytest.raises(ModelError, match="prediction_7"):
        predict_udf(data.model.uri, method="predict_proba", outputs=["prediction_7"])


def test_a_model_that_was_altered_after_the_pin_is_not_loaded(tmp_path: Path) -> None:
    data = small(tmp_path)
    predict = predict_udf(data.model.uri)
    (file,) = Path(data.model.uri).glob("model-*.joblib")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    artifact._loaded.clear()
    with pytest.raises(ModelError, match="was altered or damaged and was not loaded"):
        _given(predict, _rows(1))


def test_a_batch_without_a_value_goes_together_with_the_others(tmp_path: Path) -> None:
    """pandas gives it another type, and the index of each batch is its own."""
    fill = "sklearn.ensemble:HistGradientBoostingClassifier"
    data = small(tmp_path)
    model = train(TrainingJob(data.dataset, [0], data.recipe, fill, f"{tmp_path}/other")).ref
    frame = pd.DataFrame(good_rows(40), columns=["id", "a", "b", "label"])[["a", "b"]]
    empty = frame.assign(a=pd.Series([None] * 40, dtype=object))
    (scores,) = list(predict_udf(model.uri).func(iter([frame[20:], empty])))
    rows = pd.concat([frame[20:], empty.astype(float)])
    assert scores.tolist() == artifact.load(model).estimator.predict(rows).tolist()
