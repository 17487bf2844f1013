"""The gate reads metrics from the artifact, verifies its bytes, and only then moves an alias."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import executed
from support import Small

from airflow_batchscore.model.reference import alias_uri, resolve, set_alias
from airflow_batchscore.operators import CheckModelOperator
from airflow_batchscore.operators.seal import unseal
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


def _gate(fresh: Small, **options: Any) -> Any:
    return executed(CheckModelOperator(task_id="gate", **{"model": fresh.model.uri, **options}))


def test_a_model_within_its_limits_is_promoted(fresh: Small) -> None:
    checked = _gate(fresh, require="{'accuracy': '>=0.5'}", promote_to="production")
    assert resolve(f"{fresh.folder}/model@production") == fresh.model
    value = unseal("model", checked, "model", "d/r", {"gate"})
    assert (value["model"], value["digest"], value["promoted_to"]) == (
        fresh.model.uri,
        fresh.model.digest,
        "production",
    )
    assert _gate(fresh, model=f"{fresh.folder}/model@production")["promoted_to"] is None


def test_a_model_outside_its_limits_leaves_the_alias(fresh: Small) -> None:
    with pytest.raises(AirflowFailException, match=r"accuracy is .*, required >1\. It was not promoted"):
        _gate(fresh, require={"accuracy": ">1"}, promote_to="production")
    with pytest.raises(AirflowFailException, match="auc"):
        _gate(fresh, require={"auc": ">=0"}, promote_to="production")
    assert not Path(alias_uri(f"{fresh.folder}/model", "production")).exists()


def test_a_model_is_compared_with_its_baseline(fresh: Small) -> None:
    dull = train(
        TrainingJob(fresh.dataset, [0], fresh.recipe, "sklearn.dummy:DummyClassifier", f"{fresh.folder}/dull")
    ).ref
    better = {"accuracy": ">baseline"}
    checked = _gate(fresh, require=better, baseline=dull.uri)
    assert checked["baseline"]["accuracy"] < checked["metrics"]["accuracy"]
    with pytest.raises(AirflowFailException, match="required >baseline = "):
        _gate(fresh, model=dull.uri, require=better, baseline=fresh.model.uri)


def test_an_alias_that_a_later_task_moved_is_not_said_to_point_here(fresh: Small) -> None:
    other = train(
        TrainingJob(fresh.dataset, [0], fresh.recipe, "sklearn.dummy:DummyClassifier", f"{fresh.folder}/model")
    )
    set_alias(f"{fresh.folder}/model", "production", other.ref, time.time_ns() + 10**12)
    assert _gate(fresh, promote_to="production")["promoted_to"] is None
    assert resolve(f"{fresh.folder}/model@production") == other.ref


def test_no_damaged_model_is_promoted(fresh: Small) -> None:
    (path,) = Path(fresh.model.uri).glob("model-*.joblib")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    message = r"the bytes of .*/model-\w+.joblib have SHA-256 .* Restore the file, or train with retrain=True"
    with pytest.raises(AirflowFailException, match=message):
        _gate(fresh, promote_to="production")
    assert not Path(alias_uri(f"{fresh.folder}/model", "production")).exists()


def test_an_alias_is_written_only_where_tasks_may_write(fresh: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__OUTPUT_URIS", "/elsewhere")
    assert _gate(fresh)["promoted_to"] is None
    with pytest.raises(AirflowFailException, match=r"the alias 'production' of model .* lies in none of .*output_uris"):
        _gate(fresh, promote_to="production")
