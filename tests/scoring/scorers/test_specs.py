"""What a worker opens: the columns that a model needs, what makes its scores the same, and rows without a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support import Small, small, write_csv

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.artifact import ModelManifest
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.scorers.scorer import BatchRules, output_schema
from airflow_batchscore.scoring.scorers.specs import ModelSpec, SkipSpec, model_columns
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

RULES = BatchRules(("id",), Limit(0), allow_nan=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return small(tmp_path_factory.mktemp("specs"))


def _manifest(folder: Path, **recipe: Any) -> ModelManifest:
    rows = [(n, n, n / 2, f"t{n % 3}", n % 2) for n in range(40)]
    write_csv(folder / "0.csv", rows, header=("id", "whole", "half", "text", "label"))
    dataset = PartitionedDataset(f"{folder}/{{p}}.csv")
    job = TrainingJob(dataset, [0], Recipe(target="label", **recipe), "sklearn.dummy:DummyClassifier", f"{folder}/m")
    return train(job).manifest


@pytest.mark.parametrize(
    ("recipe", "columns"),
    [
        ({"columns": ["text", "whole"]}, {"text": "string", "whole": "float64"}),
        ({"keys": ["id"]}, {"whole": "float64", "half": "float64"}),
        (
            {"features": lambda frame: frame[["half"]], "keys": ["id"]},
            {"id": "int64", "whole": "float64", "half": "float64", "text": "string"},
        ),
        ({"features": lambda frame: frame[["half"]], "columns": ["half"]}, {"half": "float64"}),
    ],
    ids=["named columns", "all numbers", "a function of all columns", "a function of named columns"],
)
def test_the_columns_that_a_model_needs(tmp_path: Path, recipe: dict[str, Any], columns: dict[str, str]) -> None:
    manifest = _manifest(tmp_path, **recipe)
    assert model_columns(manifest, {}) == columns
    declared = model_columns(manifest, {"half": "float32", "other": "int64"})
    assert declared == {**columns, **({"half": "float32"} if "half" in columns else {})}


def test_only_what_changes_the_scores_changes_their_identity() -> None:
    spec = ModelSpec(ModelRef("/m/v1", "d" * 64), "recipe", (("module:f", "code"),), OutputSpec())
    assert replace(spec, trusted_types=("module.Class",)).identity() == spec.identity()
    assert replace(spec, model=ModelRef("/copied/v1", "d" * 64, "s3")).identity() == spec.identity()
    others = [
        replace(spec, model=ModelRef("/m/v1", "e" * 64)),
        replace(spec, model=ModelRef("/m/v1", "d" * 64, compiled="onedal:1")),
        replace(spec, model=ModelRef("/m/v1", "d" * 64, compiled="onedal:2")),
        replace(spec, recipe_digest="other"),
        replace(spec, code=(("module:f", "other"),)),
        replace(spec, output_spec=OutputSpec.of("predict_proba")),
        replace(spec, output_spec=OutputSpec.of(flags={"low": "prediction<1"})),
    ]
    every = [str(one.identity()) for one in [spec, *others]]
    assert len(set(every)) == len(every)
    assert (spec.unit, spec.method) == ("block", "predict")


def test_a_worker_refuses_a_model_that_is_not_the_one_planned(data: Small) -> None:
    spec = ModelSpec(replace(data.model, digest="0" * 64), "recipe", (), OutputSpec())
    with pytest.raises(ModelError, match="model.json says digest .*, the run pinned 000000000000"):
        spec.open(RULES)


@pytest.mark.parametrize("rows", [0, 3])
def test_rows_without_a_model_are_skipped_into_the_columns_of_another(rows: int) -> None:
    spec = SkipSpec({"score": "double", "low": "bool"}, OutputSpec.of("predict, transform"), "p=1: missing, skipped")
    scorer = spec.open(RULES)
    schema = output_schema(scorer.outputs, ("id",), {"id": pa.int64()})
    ids = pa.table({"id": pa.array(range(rows), pa.int64())})
    scored = scorer.score(Batch(ids, np.arange(rows), [], ids), schema)
    assert scored.table == pa.schema([("id", "int64"), ("score", "double"), ("low", "bool")]).empty_table()
    assert (scored.scored, scored.skipped, scored.failed) == (0, rows, [])
    assert scored.uncovered == ({"p=1: missing, skipped": 3} if rows else {})
    assert (spec.unit, spec.method) == ("block", "predict, transform")
    assert len({str(replace(spec, **{name: new}).identity()) for name, new in (("reason", "x"), ("outputs", {}))}) == 2
