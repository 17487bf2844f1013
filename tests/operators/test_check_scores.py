"""The audit between scoring and publication, as a task of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import Store, audited, executed, handed_plan, handed_scores
from support import Small, good_rows, small

from airflow_batchscore.errors import GateError, InputError
from airflow_batchscore.operators import CheckScoresOperator
from airflow_batchscore.publish.progress import GateResult

pytestmark = pytest.mark.dag


@pytest.fixture
def data(fresh: Small) -> Small:
    for partition in (1, 2, 3):
        fresh.add(partition, good_rows(20, 1000 * partition))
    return fresh


def test_the_verdict_of_an_audit_lies_under_the_run_also_when_it_fails(data: Small, tmp_path: Path) -> None:
    passed = audited(handed_scores(data, "a", 1, 1), "a", 1, max_drift="10")
    assert passed["verdict"] == f"{tmp_path}/staged/_runs/d/a/check.audit.json"
    found = json.loads(Path(passed["verdict"]).read_text())
    short = passed["scores"][0]["manifests"][0]
    assert (found["passed"], found["problems"], found["limits"]["max_drift"]) == (True, [], "10")
    assert found["scores"][0]["digest"] == short["digest"]
    assert found["scores"][0]["drift"] == passed["max_drift"]
    with pytest.raises(GateError, match="p=2"):
        audited(handed_scores(data, "b", 1, 1), "b", 1, 2)
    failed = json.loads((tmp_path / "staged" / "_runs" / "d" / "b" / "check.audit.json").read_text())
    assert failed["passed"] is False
    assert "p=2" in failed["problems"][0]


def test_the_log_says_what_became_of_the_rows(data: Small, capsys: pytest.CaptureFixture[str]) -> None:
    audited(handed_scores(data, "a", 1, 1), "a", 1)
    said = "1 partition passed, 20 rows read = 20 scored + 0 skipped + 0 quarantined; see "
    assert said in " ".join(capsys.readouterr().out.split())


def test_a_missing_partition_passes_only_where_it_is_allowed(data: Small) -> None:
    scores = handed_scores(data, "a", 1, 1)
    with pytest.raises(GateError, match=r"1 of 2 planned partitions have no manifest \(p=2; 0 allowed\)"):
        audited(scores, "a", 1, 2)
    assert audited(scores, "a", 1, 2, allow_missing="1")["partitions"] == 1
    with pytest.raises(InputError, match="allow_missing='few': give a whole number"):
        audited(scores, "a", 1, 2, allow_missing="few")


def test_a_partition_that_was_not_planned_is_refused(data: Small) -> None:
    with pytest.raises(GateError, match="partitions that were not planned: p=2"):
        audited(handed_scores(data, "a", 1, 1, 2), "a", 1)


@pytest.mark.parametrize("allowed", ["1", 1, "0.1"])
def test_rows_in_quarantine_pass_only_where_they_are_allowed(data: Small, allowed: Any) -> None:
    data.add(1, [*good_rows(20, 1000), (9, "x", 2, 0)])
    scores = handed_scores(data, "a", 1, 1)
    with pytest.raises(GateError, match="1 row in quarantine, 0 allowed: p=1 1"):
        audited(scores, "a", 1)
    assert audited(scores, "a", 1, max_quarantined=allowed)["rows_quarantined"] == 1


def test_skipped_rows_pass_only_where_they_are_allowed(tmp_path: Path) -> None:
    data = small(tmp_path, features=lambda frame: frame[["a", "b"]].dropna())
    data.add(1, [*good_rows(15, 1000), *((n, "", n, 0) for n in range(5))])
    scores = handed_scores(data, "a", 1, 1)
    assert audited(scores, "a", 1, max_skipped="")["rows_skipped"] == 5  # not given: some rows were scored
    assert audited(scores, "a", 1, max_skipped="0.25")["rows_skipped"] == 5
    with pytest.raises(GateError, match="5 of 20 rows were skipped, 4 allowed: p=1 5"):
        audited(scores, "a", 1, max_skipped="4")


def test_a_limit_that_is_no_number_is_refused_by_its_name(data: Small) -> None:
    scores = handed_scores(data, "a", 1, 1)
    for name in ("max_quarantined", "max_skipped", "max_drift"):
        with pytest.raises(GateError, match=f"{name}='few'"):
            audited(scores, "a", 1, **{name: "few"})


def test_a_part_that_is_gone_or_cut_fails_the_check(data: Small) -> None:
    scores = handed_scores(data, "a", 1, 1, 2)
    first, second = (next((data.folder / "staged" / f"p={p}").rglob("*.parquet")) for p in (1, 2))
    first.unlink()
    second.chmod(0o644)
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.raises(GateError, match=r"did not pass: partition p=1: .* has no bytes.*; partition p=2: .* has \d+"):
        audited(scores, "a", 1, 2)


def test_a_gate_shows_and_keeps_all_that_it_looked_at_before_it_fails(
    data: Small, capfd: pytest.CaptureFixture[str]
) -> None:
    data.add(1, [*good_rows(20, 1000), (9, "x", 2, 0)])
    operator = CheckScoresOperator(task_id="check", plan=handed_plan("a", 1, 2), scores=handed_scores(data, "a", 1, 1))
    store = Store()
    with pytest.raises(AirflowFailException) as failed:
        executed(operator, "a", task_state_store=store)
    assert str(failed.value).startswith(
        "GateError: the scores did not pass, 2 problems:\n- 1 of 2 planned partitions have no"
    )
    result = GateResult.from_dict(store["batchscore_gate"])
    assert result is not None
    found = {check.what: (check.found, check.allowed, check.passed) for check in result.checks}
    assert found["partitions without a manifest"] == ("1", "0", False)
    assert found["rows in quarantine"] == ("1 of 21", "0", False)
    assert found["parts as written"] == ("1 of 1", "all", True)
    printed = capfd.readouterr().out
    assert "rows in quarantine             1 of 21" in printed
    assert printed.count("PROBLEM") == 2


def test_rows_unlike_the_training_data_are_held_to_limits_by_column_also_from_a_template(data: Small) -> None:
    data.add(4, [(n, 99, n % 7, 1) for n in range(20)])
    scores = handed_scores(data, "a", 1, 1, 4)
    for limits in ({"max_outside": {"b": "0.1"}}, {"max_outside": "1.0"}, {"max_drift": {"b": "10"}}):
        assert audited(scores, "a", 1, 4, **limits)["partitions"] == 2
    with pytest.raises(GateError, match=r"partition p=4: in a, 100\.00% of the rows lie outside the range of training"):
        audited(scores, "a", 1, 4, max_outside={"a": "0.1", "*": "1"})
    with pytest.raises(GateError, match="the model has no features of classes that can be compared; run without max_u"):
        audited(scores, "a", 1, 4, max_unseen="0.01")
