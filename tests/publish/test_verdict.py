"""What an audit says of a run: to the task that publishes, and to people."""

from __future__ import annotations

import json
from typing import Any

import pytest
from publications import committed

from airflow_batchscore.errors import GateError, InputError
from airflow_batchscore.plan.models import Chosen
from airflow_batchscore.publish.drift import Drift
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.publish.verdict import Audit, CheckedScores, Figures, KeptVerdict, Limits
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.check import Check

pytestmark = pytest.mark.unit

MANIFESTS = [committed(1, 10), committed(2, 5, skipped=1), committed(3, 0, quarantined=4)]
PROBLEM = Check("drift", "9", "1", "too much")
ACCOUNT = Account(20, 15, 1, 4)
DRIFT = {
    "p=1": Drift({"a": 0.123456, "b": 0.05}, hardly_seen=("name",)),
    "p=2": Drift({"a": 0.01}),
    "p=3": Drift(reason="none of their rows was scored"),
}


def test_figures_are_those_of_the_whole_run() -> None:
    assert Audit(MANIFESTS, ACCOUNT, DRIFT, []).figures == Figures(3, ACCOUNT, 0.1235, 1, 0)
    assert Audit(MANIFESTS, ACCOUNT, {}, []).figures == Figures(3, ACCOUNT, None, 0, 0)
    assert Audit(MANIFESTS[2:], Account(4, 0, 0, 4), {"p=3": DRIFT["p=3"]}, []).figures.max_drift is None


def test_partitions_without_a_model_of_their_own_are_counted() -> None:
    fallback, own = Chosen(None, "fallback", "missing"), Chosen(None)
    manifests = [committed(1, choice=fallback), committed(2, choice=own)]
    assert Audit(manifests, ACCOUNT, {}, []).figures.uncovered == 1


def test_the_verdict_names_every_manifest_and_its_drift_or_why_there_is_none() -> None:
    verdict = Audit(MANIFESTS, ACCOUNT, DRIFT, [PROBLEM]).verdict(ScoringRun("d", "r"), Limits(max_drift="0.1"))
    assert json.loads(json.dumps(verdict)) == verdict
    assert verdict["run"] == {"dag_id": "d", "run_id": "r"}
    assert (verdict["passed"], verdict["problems"], verdict["limits"]["max_drift"]) == (False, ["too much"], "0.1")
    assert verdict["checks"] == [{"what": "drift", "found": "9", "allowed": "1", "problem": "too much"}]
    assert (verdict["rows_read"], verdict["max_drift"], verdict["without_drift"]) == (20, 0.1235, 1)
    name = {"manifest": MANIFESTS[0].uri, "digest": "digest of 1"}
    first, second, third = verdict["scores"]
    assert first == {
        "partition": "p=1",
        **name,
        "drift": 0.1235,
        "drift_column": "a",
        "drift_hardly_sees": ["name"],
    }
    assert (second["drift"], "drift_hardly_sees" in second) == (0.01, False)
    assert (third["drift"], third["drift_is_not_measured_because"]) == (None, "none of their rows was scored")
    unmeasured = Audit(MANIFESTS, ACCOUNT, {}, []).verdict(ScoringRun("d", "r"), Limits())
    assert unmeasured["passed"]
    assert unmeasured["scores"][0] == {"partition": "p=1", **name}


def test_a_run_with_problems_is_refused_with_all_of_them() -> None:
    passed = Audit(MANIFESTS, ACCOUNT, {}, [])
    assert passed.require() is passed
    with pytest.raises(GateError, match=r"^the scores did not pass: too much$"):
        Audit(MANIFESTS, ACCOUNT, {}, [Check("parts", "1", "all"), PROBLEM]).require()
    with pytest.raises(GateError, match=r"^the scores did not pass, 2 problems:\n- too much\n- too much$"):
        Audit(MANIFESTS, ACCOUNT, {}, [PROBLEM, PROBLEM]).require()


def test_a_passed_check_comes_back_from_json_and_not_from_another_version() -> None:
    checked = CheckedScores(Figures(3, ACCOUNT, None, 1, 0), "/v.json", [{"partitions": []}])
    handed_on = json.loads(json.dumps(checked.to_dict()))
    assert CheckedScores.from_dict(handed_on) == checked
    with pytest.raises(InputError, match=r"the scores were checked by another version.*schema 0, not 1.*clear the ch"):
        CheckedScores.from_dict({**handed_on, "schema": 0})


def test_a_verdict_is_read_back_with_its_checks_its_limit_and_the_drift_of_each_manifest() -> None:
    check = {"what": "rows in quarantine", "found": "0", "allowed": "0", "problem": None}
    scores = [{"digest": "a", "drift": 0.1, "drift_column": "x"}, {"digest": "b", "drift": None}, {"digest": "c"}]
    scores.append({"digest": "d", "drift": float("inf"), "drift_column": "x"})
    for text, limit in ((None, None), ("0.25", 0.25), (0.3, 0.3)):
        found = KeptVerdict.of({"limits": {"max_drift": text}, "checks": [check], "scores": scores})
        assert found == KeptVerdict([Check(**check)], limit, {"a": (0.1, "x")})


@pytest.mark.parametrize("strange", [
    None,
    {},
    {"limits": None},
    {"limits": {"max_drift": "much"}},
    {"limits": {"max_drift": 1}, "checks": [7]},
    {"limits": {"max_drift": 1}, "scores": [7]},
    {"limits": {"max_drift": 1}, "scores": [{"digest": [], "drift": 1, "drift_column": "x"}]},
    {"limits": {"max_drift": 1}, "scores": [{"digest": "a", "drift": "1", "drift_column": "x"}]},
])  # fmt: skip
def test_another_json_is_no_verdict(strange: Any) -> None:
    assert KeptVerdict.of(strange) is None


def test_limits_by_column_are_read_back() -> None:
    found = KeptVerdict.of({"limits": {"max_drift": {"x": "0.1", "*": 0.5}}})
    assert found is not None
    assert [found.drift_allowed(column) for column in ("x", "y", None)] == [0.1, 0.5, 0.5]
    assert found.to_dict() == {"checks": [], "max_drift": 0.5, "max_drift_of": {"x": 0.1}}
    some = KeptVerdict.of({"limits": {"max_drift": {"x": 0.1}}})
    assert some is not None
    assert [some.drift_allowed(column) for column in ("x", "y")] == [0.1, None]
