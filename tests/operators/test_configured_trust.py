"""Which models a task may load: what the DAG names, as far as the configuration allows it."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import XComArg
from operator_calls import Var, dag

from airflow_batchscore import PartitionedDataset, Recipe
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.operators import (
    CheckModelOperator,
    ImportModelOperator,
    PlanPartitionsOperator,
    TrainOperator,
)
from airflow_batchscore.operators.authored import argument
from airflow_batchscore.operators.places import PlacedOperator, configured
from airflow_batchscore.operators.trust import configured_trust, model_trust

pytestmark = pytest.mark.unit


def test_without_configuration_there_is_no_key() -> None:
    trust = configured_trust()
    assert (trust.prefixes, trust.key, trust.require_signature) == (None, None, False)


def test_a_key_that_is_none_does_not_go_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SIGNING_CONN_ID", "signing")
    monkeypatch.setenv("AIRFLOW_CONN_SIGNING", '{"conn_type": "generic"}')
    with pytest.raises(InputError, match="signing_conn_id=signing: the connection has no password"):
        configured_trust()


def test_the_configuration_names_places_and_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__TRUSTED_MODEL_URIS", "s3://models/, prod@s3://models/ /srv/a@b/models")
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SIGNING_CONN_ID", "signing")
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__REQUIRE_SIGNATURE", "True")
    monkeypatch.setenv("AIRFLOW_CONN_SIGNING", '{"conn_type": "generic", "password": "the key"}')
    places = configured("trusted_model_uris")
    assert places == (
        Location("s3://models/", "aws_default"),
        Location("s3://models/", "prod"),
        Location("/srv/a@b/models"),
    )
    trust = configured_trust(places)
    assert trust.prefixes == places
    assert trust.key == b"the key"
    assert trust.require_signature


def folders(operator: PlacedOperator, field: str = "model", **params: Any) -> set[Location]:
    context: Any = {"params": params, "var": Var(), "ds": "2026-11-21"}
    if not isinstance(argument(operator, field), XComArg):  # which asks a server for what it is
        operator.render_template_fields(context)
    prefixes = model_trust(operator, context, field).prefixes
    assert prefixes is not None
    return set(prefixes)


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("/models/wta@champion", "/models/wta"),
        ("/models/wta/v1", "/models/wta"),
        ("/models/wta/{{ params.version }}", "/models/wta"),
        ("/models/wta@{{ params.version }}", "/models/wta"),
        ("/models/{device}@champion", "/models"),
        ("{{ var.value.home }}/wta/{{ params.version }}", "s3://mine/wta"),
    ],
)
def test_a_model_lies_below_what_the_author_wrote(model: str, folder: str) -> None:
    with dag():
        plan = PlanPartitionsOperator(task_id="plan", dataset=PartitionedDataset("/x_{year}.csv"), model=model)
    known = "aws_default" if folder.startswith("s3") else None
    assert folders(plan, version="v1") == {Location(folder, known)}


def test_a_model_that_another_task_names_lies_below_what_the_dag_names_elsewhere() -> None:
    data = PartitionedDataset("/data/x_{year}.csv")
    with dag():
        train = TrainOperator(
            task_id="train",
            dataset=data,
            partitions="2015",
            recipe=Recipe(target="y"),
            estimator="sklearn.linear_model:LogisticRegression",
            model_uri="s3://models/wta",
            conn_id="store",
        )
        check = CheckModelOperator(task_id="check", model=train.output)
        named = PlanPartitionsOperator(task_id="plan", dataset=data, model="{{ params.model }}")
    assert folders(named, model="/uploads/evil/v1") == {Location("s3://models/wta", "store")}
    check.model = {"model": "/uploads/evil/v1", "digest": "x"}
    prefixes = model_trust(check, {}, "model").prefixes  # type: ignore[typeddict-item]
    assert prefixes == (Location("s3://models/wta", "store"),)


def imported(source: str, data: PartitionedDataset) -> ImportModelOperator:
    return ImportModelOperator(
        task_id="take", source=source, dataset=data, partitions="2015", recipe=Recipe(), model_uri="/models/theirs"
    )


def test_the_folder_that_a_model_is_imported_from_is_none_that_models_are_loaded_from() -> None:
    data = PartitionedDataset("/data/x_{year}.csv")
    with dag():
        take = imported("/uploads/theirs.onnx", data)
        plan = PlanPartitionsOperator(task_id="plan", dataset=data, model=take.output)
    assert folders(plan) == {Location("/models/theirs")}
    assert folders(take, "source") == {Location("/uploads")}


@pytest.mark.parametrize(
    ("model", "limits", "trusted"),
    [
        ("s3://models/mine@champion", "s3://models/", {Location("s3://models/mine", "aws_default")}),
        ("s3://models/{{ params.name }}", "s3://models/mine", {Location("s3://models/mine", "aws_default")}),
        ("{{ params.name }}", "s3://models/", {Location("s3://models/", "aws_default")}),
    ],
)
def test_the_configuration_limits_what_the_dag_names(
    monkeypatch: pytest.MonkeyPatch, model: str, limits: str, trusted: set[Location]
) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__TRUSTED_MODEL_URIS", limits)
    with dag():
        plan = PlanPartitionsOperator(task_id="plan", dataset=PartitionedDataset("/x_{year}.csv"), model=model)
    assert folders(plan, name="mine") == trusted


def test_a_dag_whose_models_the_configuration_does_not_list_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__TRUSTED_MODEL_URIS", "s3://other/")
    with dag():
        data = PartitionedDataset("/x_{year}.csv")
        plan = PlanPartitionsOperator(task_id="plan", dataset=data, model="s3://models/mine@champion")
    with pytest.raises(ModelError, match="the DAG names s3://models/mine, and .* lists none of them .s3://other/."):
        folders(plan)


def test_a_registry_is_no_folder_that_a_trigger_fills_in() -> None:
    data = PartitionedDataset("/data/x_{year}.csv")
    with dag():
        take = imported("models:/{{ params.name }}/1", data)
    assert folders(take, "source", name="x") == {Location("/models/theirs")}


def test_each_model_of_a_list_is_held_to_what_its_author_wrote() -> None:
    with dag():
        plan = PlanPartitionsOperator(
            task_id="plan",
            dataset=PartitionedDataset("/data/x_{p}.csv"),
            model=["s3://models/a@{{ params.name }}", "s3://models/b/v1"],
        )
    assert folders(plan, "model.0", name="champion") == {Location("s3://models/a", "aws_default")}
    assert folders(plan, "model.1", name="champion") == {Location("s3://models/b", "aws_default")}


def test_a_model_of_a_list_that_the_author_did_not_begin_is_trusted_where_the_dag_names_models() -> None:
    with dag():
        PlanPartitionsOperator(
            task_id="other", dataset=PartitionedDataset("/x_{p}.csv"), model=["/m/a@champion", "/m/b@challenger"]
        )
        plan = PlanPartitionsOperator(
            task_id="plan", dataset=PartitionedDataset("/x_{p}.csv"), model=["{{ params.name }}", "/m/c/v1"]
        )
    assert folders(plan, "model.0", name="/evil/v1") == {Location("/m/a"), Location("/m/b"), Location("/m/c")}
