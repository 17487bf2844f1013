"""A model's folder, for people to look at: what is damaged is named, and nothing outside of it is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import Small, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.model import listing
from airflow_batchscore.model.listing import list_model
from airflow_batchscore.model.reference import alias_uri, set_alias

pytestmark = pytest.mark.unit


@pytest.fixture
def made(tmp_path: Path) -> Small:
    return small(tmp_path)


def _model(made: Small) -> Location:
    return made.model.location.parent


def test_versions_and_aliases_are_listed_newest_first(made: Small) -> None:
    later = Path(f"{_model(made)}/later")
    shutil.copytree(made.model.uri, later)
    value = json.loads((later / "model.json").read_text())
    search = {"best": {"C": "0.1"}, "candidates": [{"params": {"C": "0.1"}, "score": 1.0}]}
    value |= {"created": "2999-01-01T00:00:00+00:00", "metrics": {"accuracy": 0.5, "odd": float("nan")}}
    value["training"]["search"] = search
    (later / "model.json").write_text(json.dumps(value))
    set_alias(_model(made).uri, "champion", made.model, 1, "ann")
    listed = list_model(_model(made))
    assert [version.version for version in listed.versions] == ["later", made.model.version]
    assert listed.versions[0].params == {"C": "0.1"}
    assert listed.versions[0].metrics == {"accuracy": 0.5}, "JSON has no NaN"
    first = listed.versions[1]
    assert (first.estimator, first.rows_trained, first.trained_on) == ("LogisticRegression()", 200, ["p=0"])
    assert (list(first.features), first.params) == (["a", "b"], {})
    (alias,) = listed.aliases
    assert (alias.alias, alias.version, alias.moves[0].by) == ("champion", made.model.version, "ann")
    assert listed.problem is None


def test_what_is_damaged_is_named_and_the_rest_is_listed(made: Small) -> None:
    broken = Path(f"{_model(made)}/broken/model.json")
    broken.parent.mkdir()
    broken.write_text("{")
    pointer = Path(alias_uri(_model(made).uri, "odd"))
    pointer.parent.mkdir()
    pointer.write_text('{"moves": 3}')
    listed = list_model(_model(made))
    assert [version.version for version in listed.versions] == [made.model.version]
    assert listed.aliases == []
    assert "model.json is not JSON" in str(listed.problem)
    assert "the alias aliases/odd.json cannot be read" in str(listed.problem)


def test_links_that_lead_out_of_the_folder_are_not_followed(made: Small, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(made.model.uri, elsewhere)
    Path(f"{_model(made)}/linked").symlink_to(elsewhere)
    listed = list_model(_model(made))
    assert [version.version for version in listed.versions] == [made.model.version]
    assert "linked/model.json is a link, or lies behind one" in str(listed.problem)


def test_only_the_newest_versions_are_read(made: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(made.model.uri, f"{_model(made)}/more")
    monkeypatch.setattr(listing, "MOST_VERSIONS", 1)
    listed = list_model(_model(made))
    assert len(listed.versions) == 1
    assert listed.problem == "there are 2 versions, and these are the 1 newest"


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list_model(Location(f"{tmp_path}/no")).versions == []
