"""An entry of a plan goes through XCom and comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_batchscore.errors import InputError
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import Models, NoModel, OneModel

pytestmark = pytest.mark.unit

MODEL = ModelRef("/m/v1", "d" * 64)
ENTRY = PlanEntry(
    label="day=1 .. day=2",
    partitions=[{"day": "2026-01-01"}, {"day": "2026-01-02", "shop": "München/Süd"}],
    files=[1, 3],
    bytes=1234,
    models=OneModel(MODEL),
    resources="big",
    tasks=2,
    index=0,
    count=3,
    generation=1_800_000_000_000_000_000,
    dataset="/data/{day}/*.csv",
)


@pytest.mark.parametrize("models", [OneModel(MODEL), NoModel()])
def test_it_comes_back_as_it_was(models: Models | NoModel) -> None:
    entry = replace(ENTRY, models=models)
    assert PlanEntry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry


def test_it_names_its_partitions_and_their_files() -> None:
    assert ENTRY.files_of == dict(zip(ENTRY.keys, (1, 3), strict=True))
    assert ENTRY.keys[0] == "day=2026-01-01"
    assert len(set(ENTRY.keys)) == 2


@pytest.mark.parametrize("schema", [2, None, "3"])
def test_one_of_another_version_is_refused_with_what_to_do(schema: object) -> None:
    with pytest.raises(InputError, match="clear the plan task"):
        PlanEntry.from_dict({**ENTRY.to_dict(), "schema": schema})
