"""What is done to a partition follows from its job: which work, which columns are read, which keys are kept."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import Small, good_rows, small

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.errors import InputError, ModelError, RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import Chosen, ModelByColumn, ModelPerPartition
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.prepare import Prepared, Preparer
from airflow_batchscore.scoring.scorers.by_column import ModelByColumnSpec
from airflow_batchscore.scoring.scorers.function import FunctionSpec
from airflow_batchscore.scoring.scorers.specs import ModelSpec, SkipSpec
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("prepare"))
    made.add(1, good_rows(20))
    return made


def _partition(job: ScoringJob, number: int = 1) -> Partition:
    return job.dataset.pin(job.dataset.partition({"p": str(number)}))


def _prepare(job: ScoringJob) -> Prepared:
    return Preparer(job).prepare(_partition(job))


def test_a_model_says_which_columns_and_keys_are_read(data: Small) -> None:
    job = data.job(method="predict_proba", outputs={"prediction_1": "p"})
    prepared = _prepare(job)
    assert isinstance(prepared.scorer, ModelSpec)
    assert (prepared.scorer.model, prepared.scorer.unit, prepared.scorer.method) == (
        data.model,
        "block",
        "predict_proba",
    )
    assert prepared.types == {"a": "float64", "b": "float64"}
    assert (prepared.keys, prepared.key_types) == (("id",), {"id": "int64"})  # as the dataset declares it
    assert prepared.outputs == {"p": ["predict_proba", "prediction_1"]}
    assert prepared.model == data.model
    assert prepared.choice is None


def test_the_keys_of_a_job_come_before_those_of_the_recipe(data: Small) -> None:
    for keys, types in ((("b", "id"), {"b": None, "id": "int64"}), ((), {})):
        prepared = _prepare(data.job(keys=keys))
        assert (prepared.keys, prepared.key_types) == (keys, types)


def test_a_recipe_over_whole_partitions_makes_them_the_unit(data: Small, tmp_path: Path) -> None:
    recipe = Recipe(features=lambda frame: frame[["a", "b"]], target="label", columns=["a", "b"], row_wise=False)
    model = train(TrainingJob(data.dataset, [0], recipe, "sklearn.linear_model:LinearRegression", f"{tmp_path}/m")).ref
    assert _prepare(data.job(model=model)).scorer.unit == "partition"
    by_column = data.job(scored_with=ModelByColumn("label", {"0": Chosen(model)}), output_uri=f"{tmp_path}/staged")
    with pytest.raises(RecipeError, match="row_wise=False: .* does not go with a model for each 'label'"):
        _prepare(by_column)


def test_a_partition_without_a_model_is_skipped_with_the_columns_of_another(data: Small) -> None:
    fallback = Chosen(data.model, "fallback", "stale")
    choices = {"p=0": Chosen(None, "skipped", "missing"), "p=1": fallback}
    job = data.job(scored_with=ModelPerPartition(choices, data.model))
    preparer = Preparer(job)
    skipped, scored = (preparer.prepare(_partition(job, number)) for number in (0, 1))
    assert isinstance(skipped.scorer, SkipSpec)
    assert (skipped.scorer.reason, skipped.scorer.outputs) == ("p=0: missing, skipped", {"prediction": "int64"})
    assert (skipped.types, skipped.key_types, skipped.keys) == (scored.types, scored.key_types, scored.keys)
    assert (skipped.model, skipped.choice) == (None, choices["p=0"])
    assert isinstance(scored.scorer, ModelSpec)
    assert (scored.model, scored.choice) == (data.model, fallback)


def test_the_column_that_names_models_is_read_and_only_kept_if_it_is_a_key(data: Small, tmp_path: Path) -> None:
    models = ModelByColumn("label", {"0": Chosen(data.model), "1": Chosen(data.model)})
    job = data.job(scored_with=models, output_uri=f"{tmp_path}/staged")
    preparer = Preparer(job)
    first, second = (preparer.prepare(_partition(job)) for _ in range(2))
    assert isinstance(first.scorer, ModelByColumnSpec)
    assert (first.keys, first.key_types) == (("id",), {"id": "int64", "label": None})
    assert (first.scorer.outputs, first.model) == ({"prediction": "int64"}, None)
    assert first == second
    sent = pickle.loads(pickle.dumps(first.scorer))  # noqa: S301 - as it goes to worker processes
    assert sent == first.scorer
    assert sent.models.load() == models.choices
    assert len(list(tmp_path.glob("staged/_models/*.json"))) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "transform"}, "the model LogisticRegression.. has no 'transform'; it has predict"),
        ({"outputs": ["other"]}, r"outputs=\['other'\]: predict of .* gives prediction"),
        ({"model": ModelRef("/no/such/model/v1", "d" * 64)}, "model /no/such/model/v1 has no model.json"),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_a_partition_is_looked_at(
    data: Small, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Preparer(data.job(**options))


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["a"]] * 2


def total(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["a"]].sum().to_frame("total")


def _function(data: Small, function: Any, keys: tuple[str, ...] | None = None, **options: Any) -> ScoringJob:
    return ScoringJob(data.dataset, FunctionJob(FunctionRef.of(function), **options), "/nowhere", keys=keys)


def test_a_function_is_pinned_and_reads_what_is_named(data: Small) -> None:
    prepared = _prepare(_function(data, doubled, ("id",), columns=("a",)))
    assert isinstance(prepared.scorer, FunctionSpec)
    assert prepared.scorer.function == FunctionRef.of(doubled).pinned()
    assert prepared.scorer.function_digest == FunctionRef.of(doubled).digest
    assert (prepared.scorer.outputs, prepared.scorer.declared) == ((("a", "double"),), False)
    assert (prepared.types, prepared.key_types) == ({"a": "float64"}, {"id": "int64"})
    assert (prepared.model, prepared.outputs) == (None, {})
    declared = _prepare(_function(data, doubled, columns=("a",), output_types={"a": "float"})).scorer
    assert isinstance(declared, FunctionSpec)
    assert (declared.outputs, declared.declared, declared.unit) == ((("a", "float"),), True, "block")


def test_the_keys_of_groups_are_the_columns_that_make_them(data: Small) -> None:
    prepared = _prepare(_function(data, total, group_by=("b",), columns=("a",)))
    assert prepared.scorer.unit == "group"
    assert (prepared.keys, prepared.key_types) == (("b",), {"b": None})
    with pytest.raises(InputError, match=r"keys=\['id'\]: with group_by the keys are the columns \['b'\]"):
        _prepare(_function(data, total, ("id",), group_by=("b",)))
    with pytest.raises(InputError, match="group_by gives the function whole groups; leave row_wise=False out"):
        _prepare(_function(data, total, group_by=("b",), row_wise=False))


def test_partitions_of_one_job_may_have_columns_of_other_types(tmp_path: Path) -> None:
    (tmp_path / "part_1.csv").write_text("id,x\n" + "".join(f"{n},{n}.5\n" for n in range(30)))
    (tmp_path / "part_2.csv").write_text("id,x\n" + "".join(f"{n},t{n}\n" for n in range(30)))
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")
    preparer = Preparer(job := ScoringJob(dataset, FunctionJob(FunctionRef.of(lambda rows: rows[["x"]])), "/nowhere"))
    first, second = (preparer.prepare(_partition(job, number)).scorer for number in (1, 2))
    assert isinstance(first, FunctionSpec)
    assert isinstance(second, FunctionSpec)
    assert (first.outputs, second.outputs) == ((("x", "double"),), (("x", "string"),))
