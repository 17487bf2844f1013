"""What Airflow is told of the package: its modules exist, and its settings are those that the code reads."""

from __future__ import annotations

import json
import re
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import airflow
import jsonschema
import pytest
from support import ROOT

import airflow_batchscore
from airflow_batchscore.operators import __all__ as operators
from airflow_batchscore.provider import get_provider_info

pytestmark = pytest.mark.dag

#: `conf.get(SECTION, "name"`, `configured("name")`, `words("name")` and `(SECTION, "name")`.
_SETTING = re.compile(r'(?:SECTION, |configured\(|words\()"(\w+)"')


def _modules(*kinds: str) -> list[str]:
    info = get_provider_info()
    return [module for kind in kinds for entry in info[kind] for module in entry["python-modules"]]


def test_airflow_finds_what_its_schema_asks_for() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    assert get_provider_info()["versions"] == [airflow_batchscore.__version__]


def test_the_entry_point_of_the_package_leads_to_it() -> None:
    (entry,) = (each for each in entry_points(group="apache_airflow_provider") if "airflow_batchscore" in each.value)
    assert entry.load() is get_provider_info


def test_every_module_and_link_that_it_names_can_be_imported() -> None:
    for module in _modules("operators", "sensors", "triggers"):
        import_module(module)
    for path in get_provider_info()["extra-links"]:
        module, _, name = path.rpartition(".")
        assert getattr(import_module(module), name)


def test_every_operator_is_in_a_module_that_it_names() -> None:
    import airflow_batchscore.operators as room

    assert {getattr(room, name).__module__ for name in operators} == set(_modules("operators"))


def test_every_setting_that_the_code_reads_is_described_and_no_other() -> None:
    read = {name for path in ROOT.glob("airflow_batchscore/**/*.py") for name in _SETTING.findall(path.read_text())}
    options = get_provider_info()["config"]["batchscore"]["options"]
    assert set(options) == read
    assert [name for name, option in options.items() if option["sensitive"]] == ["secret"]
