"""One model over the rows of a batch: scored, skipped or set apart, each in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from strange_models import Strange
from support import Small, small

from airflow_batchscore import Recipe
from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.errors import ModelError, OutputError, ScoringError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.loaded import LoadedModel
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.scorers.results import bad_row
from airflow_batchscore.scoring.scorers.scorer import BatchRules, ScoredBatch, Scorer, output_schema
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("batch"))
    made.add(5, [(n, 0, 1, n % 2) for n in range(20)])
    return made


def _model(data: Small, folder: Path, estimator: Any, partition: int = 0, **recipe: Any) -> LoadedModel:
    made = Recipe(**{"target": "label", "keys": ["id"], "columns": ["a", "b"], **recipe})
    job = TrainingJob(data.dataset, [partition], made, estimator, f"{folder}/model", metrics=[])
    return artifact.load(train(job).ref)


def _batch(rows: Sequence[tuple[int, float, float]], first: int = 0) -> Batch:
    """Rows of `id`, `a` and `b`, of which the first has the number `first` in its block."""
    columns: list[Any] = [*zip(*rows, strict=True)] if rows else [(), (), ()]
    ids, a, b = (
        pa.array(list(values), kind) for values, kind in zip(columns, ("int64", "double", "double"), strict=True)
    )
    return Batch(pa.table({"a": a, "b": b}), np.arange(first, first + len(rows)), [], pa.table({"id": ids}))


def _score(model: LoadedModel, batch: Batch, spec: OutputSpec | None = None, **rules: Any) -> ScoredBatch:
    given = BatchRules(**{"keys": ("id",), "limit": Limit(10), "allow_nan": False, **rules})
    scorer = Scorer(model, spec or OutputSpec(), given)
    return scorer.score(batch, output_schema(scorer.outputs, given.keys, {"id": pa.int64()}))


def _without_negatives(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["b"] >= 0][["a", "b"]]


def test_each_row_is_scored_or_skipped_or_set_apart(data: Small, tmp_path: Path) -> None:
    model = _model(data, tmp_path, "strange_models:Picky", features=_without_negatives)
    batch = _batch([(10, 0, 1), (11, 5, -1), (12, 5, 1), (13, 13, 1), (14, 0, 0)], first=100)
    scored = _score(model, batch)
    assert scored.table.to_pydict() == {"id": [10, 12, 14], "prediction": [0, 1, 0]}
    assert scored.places.tolist() == [0, 2, 4]
    assert (scored.scored, scored.skipped) == (3, 1)
    (bad,) = scored.failed
    assert (bad.position, bad.error) == (103, "ValueError")
    assert bad.raw == {"a": "13.0", "b": "1.0", "id": "13"}
    assert sum(scored.features["a"]) == sum(scored.predictions["prediction"]) == 3


@pytest.mark.parametrize(
    ("rows", "skipped", "failed"), [([], 0, 0), ([(1, 0, -1), (2, 1, -1)], 2, 0), ([(1, 13, 1), (2, 13, 1)], 0, 2)]
)
def test_a_batch_of_which_no_row_is_scored_has_the_columns(
    data: Small, tmp_path: Path, rows: list[tuple[int, float, float]], skipped: int, failed: int
) -> None:
    model = _model(data, tmp_path, "strange_models:Picky", features=_without_negatives)
    scored = _score(model, _batch(rows))
    assert scored.table.schema == pa.schema([("id", pa.int64()), ("prediction", pa.int64())])
    assert (scored.table.num_rows, scored.scored, scored.skipped, len(scored.failed)) == (0, 0, skipped, failed)
    assert (scored.predictions, len(scored.places)) == ({}, 0)


class Gives(ClassifierMixin, BaseEstimator):
    """Predicts what the column says: a number, text, nothing."""

    def __init__(self, values: tuple[Any, ...] = (), kind: str | None = None) -> None:
        self.values = values
        self.kind = kind

    def fit(self, X: Any, y: Any) -> Gives:  # noqa: N803
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        values = pd.Series([self.values[int(place)] for place in np.asarray(X)[:, 0]], dtype="object")
        return values.astype(self.kind) if self.kind else values.to_numpy()


#: Row 106 of the block is the one that differs from training.
_ONE_ODD = _batch([(n, n == 6, 1) for n in range(10)], first=100)


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        ((1.0, None), None, "None"),
        ((1.0, float("nan")), None, "nan"),
        ((1.0, float("inf")), None, "inf"),
        ((1, pd.NA), None, "<NA>"),
        ((1, pd.NA), "Int64", "(<NA>|nan)"),
        ((True, pd.NA), "boolean", "<NA>"),
        (("x", None), None, "None"),
        (("x", float("nan")), None, "nan"),
        (("x", None), "category", "(nan|None)"),
        (("x", pd.NA), "string", "(<NA>|nan)"),
    ],
)
def test_predictions_that_are_not_there_are_refused_whatever_holds_them(
    data: Small, tmp_path: Path, values: tuple[Any, ...], kind: str | None, shown: str
) -> None:
    model = _model(data, tmp_path, Gives(values, kind), partition=5)
    with pytest.raises(ScoringError, match=f"1 of 10 predictions .*'prediction'; the first is {shown} for row 106"):
        _score(model, _ONE_ODD)
    assert _score(model, _ONE_ODD, allow_nan=True).table.num_rows == 10
    plain = _score(model, _batch([(n, 0, 1) for n in range(10)]))
    assert plain.table["prediction"].to_pylist() == [values[0]] * 10


@pytest.mark.parametrize(("values", "shown"), [((1.0, "high"), "'high'"), ((1, 2.5), "2.5"), (("x", 7), "7")])
def test_predictions_of_another_kind_than_in_training_are_refused(
    data: Small, tmp_path: Path, values: tuple[Any, ...], shown: str
) -> None:
    model = _model(data, tmp_path, Gives(values), partition=5)
    with pytest.raises(ScoringError, match=f"the output 'prediction' is .* row 106 has {shown}"):
        _score(model, _ONE_ODD)


def test_a_flag_on_a_value_that_is_not_there_is_refused_though_only_the_flag_is_kept(
    data: Small, tmp_path: Path
) -> None:
    model = _model(data, tmp_path, Gives((1.0, float("nan"))), partition=5)
    low = OutputSpec.of(outputs=[], flags={"low": "prediction<2"})
    with pytest.raises(ScoringError, match="1 of 10 predictions are NaN"):
        _score(model, _ONE_ODD, low)
    lax = _score(model, _ONE_ODD, low, allow_nan=True)
    assert lax.table["low"].to_pylist() == [n != 6 for n in range(10)]


class Short(ClassifierMixin, Strange):
    """Gives one prediction too few."""

    def fit(self, X: Any, y: Any) -> Short:  # noqa: N803
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.zeros(len(X) - self.is_loaded, dtype=int)


@pytest.mark.parametrize("features", [None, _without_negatives])
def test_predictions_that_are_too_few_are_refused(data: Small, tmp_path: Path, features: Any) -> None:
    model = _model(data, tmp_path, Short(), features=features)
    with pytest.raises(ScoringError, match="predict gave 2 predictions in 'prediction' for 3 rows"):
        _score(model, _batch([(n, 1, 1) for n in range(3)]))


class Clock(RegressorMixin, BaseEstimator):
    """Predicts an instant, so many days after the first of January."""

    def fit(self, X: Any, y: Any) -> Clock:  # noqa: N803
        self.fitted_ = True
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        days = np.asarray(X)[:, 0].astype("timedelta64[D]")
        return np.datetime64("2026-01-01", "us") + days


def test_predicted_instants_are_profiled_as_in_training(data: Small, tmp_path: Path) -> None:
    model = _model(data, tmp_path, Clock())
    raw = pd.read_csv(data.folder / "part_0.csv")
    scored = _score(model, _batch([*zip(raw["id"], raw["a"], raw["b"], strict=True)]))
    assert scored.predictions == {"prediction": model.manifest.profile.outputs["predict"].counts["prediction"]}


def test_a_model_without_a_method_is_refused_before_a_row_is_seen(data: Small) -> None:
    with pytest.raises(ModelError, match=r"LogisticRegression has no transform; it has predict, predict_proba"):
        Scorer(artifact.load(data.model), OutputSpec.of("transform"), BatchRules((), Limit(0), allow_nan=False))


def test_a_key_that_has_the_name_of_an_output_is_refused() -> None:
    with pytest.raises(OutputError, match=r"the keys \['score'\] have the name of an output column"):
        output_schema({"score": "double"}, ["id", "score"], {"id": pa.int64(), "score": pa.int64()})


def test_the_reason_of_a_bad_row_can_be_written_whatever_it_holds() -> None:
    error = ValueError("half a character \ud83d in 2 of 3\nStack trace:\n  [bt] (0) libxgboost.so")
    row = bad_row(_batch([(7, 1, 2)], first=40), 0, error)
    message = "half a character \\ud83d in 2 of 3"
    assert row == BadRow(40, "ValueError", message, {"a": "1.0", "b": "2.0", "id": "7"})
    assert len(bad_row(_batch([(7, 1, 2)]), 0, ValueError("x" * 10**6)).message) == 2000


def test_rows_that_fail_in_a_model_of_another_version_name_both_versions(data: Small, tmp_path: Path) -> None:
    model = _model(data, tmp_path, "sklearn.linear_model:LogisticRegression")
    del model.estimator.coef_  # type: ignore[attr-defined]
    rows = _batch([(n, 1.0, 2.0) for n in range(20)])
    with pytest.raises(ScoringError, match="does not fit this data$"):
        _score(model, rows)
    manifest = replace(model.manifest, libraries={**model.manifest.libraries, "scikit-learn": "1.3.2"})
    of_import = LoadedModel(model.ref, manifest, lambda: model.estimator)
    message = r"rows fail, .*made with scikit-learn 1.3.2 \(here .*LocalDask\(environment=\['scikit-learn==1.3.2'\]\)$"
    with pytest.raises(ScoringError, match=message):
        _score(of_import, rows)
