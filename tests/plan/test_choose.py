"""Which model a plan pins for a run, a partition or a value, and what it does without one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import Small, good_rows, small

from airflow_batchscore import ModelPolicy, PartitionedDataset, Trust
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model.reference import GivenModel, ModelRef, resolve, set_alias
from airflow_batchscore.model.trust import ModelAccess
from airflow_batchscore.plan.choose import choose, plan_models, planned_coverage, without_model
from airflow_batchscore.plan.models import (
    ChampionAndChallenger,
    Chosen,
    ModelByColumn,
    ModelPerPartition,
    NoModel,
    OneModel,
)

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return small(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def data(trained: Small, tmp_path: Path) -> Small:
    """Partitions 1 and 2, and the model under the names ``own/1``, ``own/2``, each with an alias of its own."""
    made = trained.copied(tmp_path)
    for partition in (1, 2):
        made.add(partition, good_rows(5))
        shutil.copytree(tmp_path / "model", tmp_path / "own" / str(partition))
        set_alias(_own(made, partition), "champion", _version(made, partition), 1)
    return made


def _own(data: Small, partition: int | str) -> str:
    return f"{data.folder}/own/{partition}"


def _version(data: Small, partition: int) -> ModelRef:
    return resolve(f"{_own(data, partition)}/{data.model.version}")


def _damage(data: Small, partition: int) -> None:
    (path,) = Path(_version(data, partition).uri).glob("model-*.joblib")
    path.write_bytes(b"")


def _forget(data: Small, partition: int) -> None:
    (Path(_own(data, partition)) / "aliases" / "champion.json").unlink()


def _planned(
    data: Small, model: str | GivenModel | list[GivenModel], policy: ModelPolicy | None = None, **options: Any
) -> Any:
    partitions = data.dataset.require("1..2")
    given = GivenModel(model) if isinstance(model, str) else model
    return plan_models(given, data.dataset, partitions, policy, **options)


def test_without_a_model_a_function_takes_its_place(data: Small) -> None:
    assert plan_models(None, data.dataset, data.dataset.require("1..2")) == NoModel()


def test_a_name_or_what_training_returned_pins_one_version(data: Small) -> None:
    set_alias(f"{data.folder}/model", "champion", data.model, 1)
    returned = GivenModel(data.model.uri, data.model.digest)
    for model in (data.model.uri, f"{data.folder}/model@champion", returned):
        assert _planned(data, model) == OneModel(data.model)
    with pytest.raises(ModelError, match="digest"):
        _planned(data, replace(returned, digest="0" * 64))


def test_a_list_is_a_champion_and_its_challenger_each_one_version(data: Small) -> None:
    given = [GivenModel(f"{_own(data, number)}@champion") for number in (1, 2)]
    assert _planned(data, given) == ChampionAndChallenger(_version(data, 1), _version(data, 2))
    assert _planned(data, given[:1] * 2) == ChampionAndChallenger(_version(data, 1), _version(data, 1))
    _damage(data, 2)
    with pytest.raises(ModelError, match=r"own/2/.* have SHA-256"):
        _planned(data, given)


@pytest.mark.parametrize(
    ("names", "policy", "said"),
    [
        (["own/1@champion"], None, "two models; 1 were given"),
        (["own/1@champion"] * 3, None, "two models; 3 were given"),
        ([], None, "two models; 0 were given"),
        (["own/1@champion", "own/{p}@champion"], None, r"'.*own/\{p\}@champion' stands for many models"),
        (["own/1@champion"] * 2, ModelPolicy(missing="skip"), "model_policy= is for a model for each"),
    ],
)
def test_a_list_that_is_no_champion_and_challenger_is_refused(
    data: Small, names: list[str], policy: ModelPolicy | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        _planned(data, [GivenModel(f"{data.folder}/{name}") for name in names], policy)


def test_a_field_of_the_dataset_pins_a_model_for_each_partition(data: Small) -> None:
    models = _planned(data, f"{data.folder}/own/{{p}}@champion")
    assert isinstance(models, ModelPerPartition)
    assert models.choices == {"p=1": Chosen(_version(data, 1)), "p=2": Chosen(_version(data, 2))}
    assert models.like == _version(data, 1)


def test_partitions_of_one_name_share_its_model(data: Small, tmp_path: Path) -> None:
    for p, day in (("1", "a"), ("1", "b"), ("2", "a")):
        (tmp_path / f"x_{p}_{day}.csv").touch()
    dataset = PartitionedDataset(f"{tmp_path}/x_{{p}}_{{day}}.csv")
    models = plan_models(GivenModel(f"{data.folder}/own/{{p}}@champion"), dataset, dataset.require(None))
    assert isinstance(models, ModelPerPartition)
    assert {key: choice.model.uri for key, choice in models.choices.items() if choice.model} == {
        "p=1/day=a": _version(data, 1).uri,
        "p=1/day=b": _version(data, 1).uri,
        "p=2/day=a": _version(data, 2).uri,
    }


def test_another_field_pins_every_model_that_there_is_by_the_value_of_a_column(data: Small) -> None:
    models = _planned(data, f"{data.folder}/own/{{sensor}}@champion")
    choices = {str(value): Chosen(_version(data, value)) for value in (1, 2)}
    assert models == ModelByColumn("sensor", choices, None)
    policy = ModelPolicy(missing="fallback", fallback=data.model.uri)
    assert _planned(data, f"{data.folder}/own/{{sensor}}@champion", policy).missing == Chosen(
        data.model, "fallback", "missing"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own/{p}/{sensor}@champion", r"its fields \['p', 'sensor'\] must be the dataset's \(\['p'\]\), or one column"),
        ("own/{a}/{b}@champion", r"its fields \['a', 'b'\] must be"),
        ("none/{sensor}@champion", "no model of this name is there; train and promote some first"),
        ("own/{sensor}", "name an alias, '<uri>/{sensor}@<alias>'"),
    ],
)
def test_a_name_that_leads_to_no_models_is_refused(data: Small, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        _planned(data, f"{data.folder}/{name}")


@pytest.mark.parametrize("name", ["model@champion", "own/{p}@champion", "own/{sensor}@champion"])
def test_a_folder_that_is_not_trusted_is_refused(data: Small, name: str) -> None:
    access = ModelAccess(trust=Trust(prefixes=(Location(f"{data.folder}/trusted"),)))
    with pytest.raises(ModelError, match="lies below none of the trusted URIs"):
        _planned(data, f"{data.folder}/{name}", access=access)


def test_all_that_have_no_model_are_named_in_one_error(data: Small) -> None:
    _forget(data, 1)
    _damage(data, 2)
    with pytest.raises(ModelError, match=r"^2 of 2 have no model that may be used: p=1: missing: .*; p=2: damaged: "):
        _planned(data, f"{data.folder}/own/{{p}}@champion")


def test_a_policy_says_what_is_done_without_a_model_for_each_reason(data: Small) -> None:
    _forget(data, 1)
    names = {"p=1": f"{_own(data, 1)}@champion", "p=2": f"{_own(data, 2)}@champion"}
    own = Chosen(_version(data, 2))
    assert choose(names, ModelPolicy(missing="skip")) == {"p=1": Chosen(None, "skipped", "missing"), "p=2": own}
    instead = ModelPolicy(missing="fallback", damaged="skip", fallback=data.model.uri)
    assert choose(names, instead) == {"p=1": Chosen(data.model, "fallback", "missing"), "p=2": own}
    _damage(data, 2)
    choices = choose(names, instead)
    assert choices["p=2"] == Chosen(None, "skipped", "damaged")
    assert planned_coverage(list(choices.values())) == {"missing, fallback": 1, "damaged, skipped": 1}


def test_a_run_in_which_nothing_has_a_model_is_refused(data: Small) -> None:
    _forget(data, 1)
    with pytest.raises(ModelError, match="none of the 1 has a model: .* there is no alias 'champion'"):
        choose({"p=1": f"{_own(data, 1)}@champion"}, ModelPolicy(missing="skip"))


def test_a_fallback_is_looked_at_only_where_it_is_needed(data: Small) -> None:
    policy = ModelPolicy(missing="fallback", fallback=f"{data.folder}/nowhere@champion")
    names = {"p=1": f"{_own(data, 1)}@champion"}
    assert choose(names, policy) == {"p=1": Chosen(_version(data, 1))}
    _forget(data, 1)
    with pytest.raises(ModelError, match="there is no alias 'champion' at .*/nowhere"):
        choose(names, policy)


def test_what_turns_up_without_a_model_later_is_treated_as_the_policy_says(data: Small) -> None:
    assert without_model(ModelPolicy(missing="skip")) == Chosen(None, "skipped", "missing")
    policy = ModelPolicy(missing="fallback", fallback=data.model.uri)
    assert without_model(policy) == Chosen(data.model, "fallback", "missing")
