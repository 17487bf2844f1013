from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from support import Small, small

from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model.reference import GivenModel, ModelRef, resolve, set_alias

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return small(tmp_path_factory.mktemp("model"))


def _base(made: Small) -> str:
    return made.model.location.parent.uri


def test_versions_aliases_and_results_of_training_resolve_to_the_same_pin(made: Small) -> None:
    set_alias(_base(made), "champion", made.model, time.time_ns())
    assert resolve(f"{_base(made)}@champion") == made.model
    assert resolve(made.model.uri) == made.model
    assert resolve(GivenModel(made.model.uri, made.model.digest)) == made.model


def test_an_alias_stays_where_a_task_that_began_later_has_moved_it(made: Small) -> None:
    other = ModelRef(f"{_base(made)}/other", made.model.digest)
    shutil.copytree(Path(made.model.uri), Path(other.uri))
    began = time.time_ns()
    assert set_alias(_base(made), "champion", made.model, time.time_ns())
    assert not set_alias(_base(made), "champion", other, began), "it was stopped, overtaken and woken"
    assert resolve(f"{_base(made)}@champion") == made.model
    assert set_alias(_base(made), "champion", other, time.time_ns())
    assert resolve(f"{_base(made)}@champion").uri == other.uri
    shutil.rmtree(Path(other.uri))


def test_a_version_that_does_not_exist_is_named_with_those_that_do(made: Small) -> None:
    with pytest.raises(ModelError, match=rf"version 'nope' does not exist at .*; there are {made.model.version}"):
        resolve(f"{_base(made)}/nope")


def test_a_folder_of_versions_is_not_called_a_version_that_does_not_exist(made: Small) -> None:
    with pytest.raises(ModelError, match=rf"is a folder of versions .*name one of them, '.*/{made.model.version}', or"):
        resolve(_base(made))


def test_an_alias_that_does_not_exist_says_how_to_make_one(made: Small) -> None:
    with pytest.raises(ModelError, match="no alias 'winner' .*promote_to='winner'"):
        resolve(f"{_base(made)}@winner")


def test_an_alias_never_points_at_a_version_that_is_not_whole(made: Small, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        set_alias(str(tmp_path), "champion", ModelRef(f"{tmp_path}/v1", "0" * 64), 1)
    assert not list(tmp_path.rglob("*.json"))


def test_a_pin_that_does_not_agree_with_the_artifact_is_refused(made: Small) -> None:
    with pytest.raises(ModelError, match="was pinned; the artifact was replaced"):
        resolve(GivenModel(made.model.uri, "f" * 64))


@pytest.mark.parametrize("name", ["..", "../x", "a b", ".hidden", "x" * 101, ""])
def test_names_that_would_leave_the_folder_are_refused(made: Small, name: str) -> None:
    with pytest.raises(ModelError, match="is not usable"):
        set_alias(_base(made), name, made.model, 1)
    with pytest.raises(ModelError):
        resolve(f"{_base(made)}@{name}")


def test_what_a_task_returned_names_the_model_and_its_digest() -> None:
    for given in (GivenModel("/m/v1", "d" * 64), GivenModel("/m/{p}@champion")):
        returned = {**given.to_dict(), "metrics": {}}
        assert GivenModel.from_dict(returned) == given
        with pytest.raises(InputError, match=r"model /m/.* another version of this package .*clear the task that"):
            GivenModel.from_dict({**returned, "schema": 2})


def test_a_name_with_a_digest_is_a_version_even_if_it_looks_like_an_alias(made: Small) -> None:
    with pytest.raises(ModelError, match="is not usable"):
        resolve(GivenModel(f"{_base(made)}@champion", made.model.digest))
