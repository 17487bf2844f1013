"""What tasks return is sealed for its purpose and its run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_batchscore.errors import GateError
from airflow_batchscore.operators.base import as_mapping
from airflow_batchscore.operators.seal import seal, unseal

pytestmark = pytest.mark.unit

VALUE: dict[str, Any] = {"label": "größe=1", "bytes": 3, "share": 0.1, "none": None, "list": [{"a": "1"}]}


def test_what_was_sealed_comes_back_as_it_was_also_through_json_and_templates() -> None:
    sealed = seal(VALUE, "plan", "d/r", "t")
    for handed in (sealed, json.loads(json.dumps(sealed)), as_mapping(str(sealed)), {**sealed, "list": ({"a": "1"},)}):
        assert unseal("plan", handed, "plan", "d/r")["bytes"] == 3


@pytest.mark.parametrize(
    "handed",
    [
        None,
        "x",
        [],
        {},
        VALUE,
        {**VALUE, "seal": 1},
        {**VALUE, "seal": "é"},
        {"seal": "\ud800"},
        {**VALUE, "seal": "0", "more": {1}},
    ],
)
def test_what_was_not_sealed_is_refused(handed: Any) -> None:
    with pytest.raises(GateError, match="^plan: .*this must be what PlanPartitionsOperator returned in this run"):
        unseal("plan", handed, "plan", "d/r")


def test_a_seal_fits_one_value_purpose_run_and_task_alone() -> None:
    sealed = seal(VALUE, "plan", "d/r", "t")
    assert unseal("plan", sealed, "plan", "d/r", {"t", "other"})["task"] == ["t", -1]
    for handed, purpose, run, task in [
        ({**sealed, "bytes": 4}, "plan", "d/r", "t"),
        ({**sealed, "more": 1}, "plan", "d/r", "t"),
        ({**sealed, "task": ["u", -1]}, "plan", "d/r", "u"),
        (sealed, "scores", "d/r", "t"),
        (sealed, "plan", "d/r2", "t"),
        (sealed, "plan", "d/r", "u"),
    ]:
        with pytest.raises(GateError):
            unseal("plan", handed, purpose, run, {task})


def test_in_a_mapped_group_the_seal_of_another_instance_does_not_fit() -> None:
    sealed = seal(VALUE, "model", "d/r", "train", 0)
    assert unseal("model", sealed, "model", "d/r", {"train"})["bytes"] == 3
    assert unseal("model", sealed, "model", "d/r", {"train"}, 0)["bytes"] == 3
    with pytest.raises(GateError, match="^model: the DAG names another task; this comes from train .map index 0."):
        unseal("model", sealed, "model", "d/r", {"train"}, 1)


def test_keys_can_be_changed_while_runs_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SECRET", "old")
    sealed = seal(VALUE, "plan", "d/r", "t")
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SECRET", "new, old")
    assert unseal("plan", sealed, "plan", "d/r") == {**VALUE, "task": ["t", -1]}
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SECRET", "new")
    with pytest.raises(GateError):
        unseal("plan", sealed, "plan", "d/r")


def test_without_a_key_nothing_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("", "{FERNET_KEY}"):  # the second is what Airflow gives where nothing is set
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", key)
        with pytest.raises(GateError, match=r"set \[batchscore\] secret"):
            seal(VALUE, "plan", "d/r", "t")
