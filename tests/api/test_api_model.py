"""A model from storage does to a frame what scoring does to the rows of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import Small, good_rows, newly_trained, small

import airflow_batchscore
from airflow_batchscore import Location, Trust, load
from airflow_batchscore.errors import InputError, ModelError, OutputError, ScoringError
from airflow_batchscore.model.reference import set_alias

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    return small(tmp_path)


def _frame(rows: int = 20, offset: int = 1000) -> pd.DataFrame:
    return pd.DataFrame(good_rows(rows, offset), columns=["id", "a", "b", "label"])


def without_small_a(frame: pd.DataFrame) -> pd.DataFrame:
    """Leaves out rows, and cannot make features of a negative one."""
    if (frame["b"] < 0).any():
        raise ValueError("b is negative")
    return frame.loc[frame["a"] > 1, ["a", "b"]]


def test_it_predicts_what_a_scoring_task_predicts(data: Small) -> None:
    data.add(1, good_rows(30, 1000))
    ((manifest, _),) = data.score(1, method="predict, predict_proba")
    scored = pd.read_parquet(f"{manifest.folder}/{manifest.blocks[0].part}")
    model = load(data.model.uri)
    frame = pd.read_csv(data.folder / "part_1.csv")
    assert model.predict(frame).tolist() == scored["predict"].tolist()
    both = model.score(frame, method=["predict", "predict_proba"], keys="id").scores
    assert both["predict_proba_1"].tolist() == scored["predict_proba_1"].tolist()
    assert list(both) == ["id", "predict", "predict_proba_0", "predict_proba_1"]
    assert model.score(frame, flags={"sure": "prediction_1>0.9"}, method="predict_proba").scores["sure"].any()


def test_results_come_back_under_the_frames_index(data: Small) -> None:
    model, frame = load(data.model.uri), _frame()
    shuffled = frame.sample(frac=1, random_state=0)
    assert model.predict(shuffled)[frame.index].tolist() == model.predict(frame).tolist()
    twice = frame.set_axis(["x", "y"] * 10, axis=0)
    assert model.predict(twice).tolist() == model.predict(frame).tolist()
    twice["score"] = model.predict(twice)
    assert model.score(twice, keys=["id"]).scores["id"].tolist() == frame["id"].tolist()
    assert model.predict(frame).name == "prediction"
    assert list(model.predict_proba(frame)) == ["prediction_0", "prediction_1"]
    assert len(model.predict(frame.iloc[:0])) == 0


def test_rows_that_are_left_out_or_cannot_be_scored(tmp_path: Path) -> None:
    data = newly_trained(tmp_path, features="test_api_model:without_small_a", columns=["a", "b"])
    model, frame = load(data.model.uri), _frame().set_axis(list("abcdefghijklmnopqrst"), axis=0)
    scored = model.score(frame)
    left_out = frame.index[frame["a"] <= 1]
    assert scored.skipped.tolist() == left_out.tolist()
    assert scored.account.astuple() == (20, 20 - len(left_out), len(left_out), 0)
    every = model.predict(frame)
    assert every.index.equals(frame.index)
    assert every[left_out].isna().all()
    assert every.drop(left_out).tolist() == scored.scores["prediction"].tolist()
    frame.loc["q", "b"] = -1
    with pytest.raises(ScoringError, match=r"the row 'q' cannot be scored: ValueError: b is negative"):
        model.predict(frame)
    scored = model.score(frame)
    assert scored.quarantined.loc["q", "message"] == "b is negative"
    assert "q" not in scored.scores.index
    with pytest.raises(ScoringError):
        model.score(frame, quarantine=0)


def test_types_are_those_of_scoring(data: Small) -> None:
    model, frame = load(data.model.uri), _frame()
    expected = model.predict(frame).tolist()
    for made in (frame.astype({"b": "int8"}), frame.convert_dtypes(), frame.astype({"a": "category"})):
        assert model.predict(made).tolist() == expected
    with pytest.raises(InputError, match="the frame.*'a'"):
        model.predict(frame.assign(a="text"))
    mixed = frame.astype({"a": object})
    mixed.iloc[3, 1] = "x"
    with pytest.raises(InputError, match=r"column 'a' has values of several kinds.*Convert it: frame\['a'\]"):
        model.predict(mixed)
    large = frame.astype({"b": "int64"})
    large.loc[2, "b"] = 2**53 + 1
    assert model.score(large).quarantined.index.tolist() == [2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="a"), r"lacks the columns \['a'\]; it has id, b, label"),
        (lambda frame: frame.rename(columns={"a": "a_"}), r"Is it 'a' instead of 'a_'\?"),
        (lambda frame: pd.concat([frame, frame[["a"]]], axis=1), r"more than one column named \['a'\]"),
        (lambda frame: frame["a"], "give a pandas DataFrame with the columns a, b, not Series"),
        (lambda frame: frame[["a", "b"]].to_numpy(), "not ndarray"),
    ],
)
def test_another_frame_is_refused(data: Small, change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(data.model.uri).predict(change(_frame()))


def test_a_key_is_a_column_of_the_frame_and_no_output(data: Small) -> None:
    model = load(data.model.uri)
    with pytest.raises(InputError, match="lacks the columns"):
        model.score(_frame(), keys=["order"])
    with pytest.raises(OutputError, match="prediction"):
        model.score(_frame().assign(prediction=1), keys=["prediction"])


def test_missing_values_reach_the_model_as_in_scoring(data: Small) -> None:
    frame = _frame().assign(a=np.nan)
    with pytest.raises(ScoringError):
        load(data.model.uri).predict(frame)
    scored = load(data.model.uri).score(frame.assign(a=[1.0] * 19 + [np.nan]))
    assert scored.quarantined.index.tolist() == [19]


def test_its_card_and_methods(data: Small) -> None:
    set_alias(f"{data.folder}/model", "champion", data.model, 1)
    model = load(f"{data.folder}/model@champion")
    assert model.version == data.model.version
    assert model.card["digest"] == data.model.digest
    assert model.card["columns"] == {"a": "float64", "b": "float64"}
    assert model.card["metrics"]["accuracy"] > 0.5
    assert "predict_proba" in dir(model)
    assert not hasattr(model, "transform")
    with pytest.raises(AttributeError, match="has no transform; it has predict, predict_proba"):
        model.transform  # noqa: B018
    with pytest.raises(AttributeError, match="'Model' object has no attribute 'fit'"):
        model.fit  # noqa: B018
    assert repr(model).startswith(f"<Model {data.model.uri} LogisticRegression")


def test_a_model_that_is_not_there_not_whole_or_not_trusted_is_not_loaded(data: Small) -> None:
    with pytest.raises(ModelError, match="there is no alias 'nobody'"):
        load(f"{data.folder}/model@nobody")
    with pytest.raises(ModelError, match="stands for many models: write a value for {sensor}"):
        load("/models/{sensor}@champion")
    with pytest.raises(ModelError, match="none of the trusted URIs"):
        load(data.model.uri, trust=Trust((Location("/srv/models"),)))
    (file,) = Path(data.model.uri).glob("model-*.joblib")
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(ModelError, match="altered or damaged and was not loaded"):
        load(data.model.uri).predict(_frame())


def test_relative_paths_are_of_the_current_folder(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data.folder)
    assert load(f"model/{data.model.version}").ref.uri == data.model.uri


def test_what_the_package_offers_exists() -> None:
    assert all(getattr(airflow_batchscore, name) for name in airflow_batchscore.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = airflow_batchscore.nothing  # type: ignore[attr-defined]
