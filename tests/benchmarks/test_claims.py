"""What the documents say of speed is bound to measured results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tables
from claims import CLAIMS, ROOT, TARGETS, WORKLOADS, problems
from figures import Results
from rows import ACCELERATED, FULL, LIMIT, OURS, POLARS, POLARS_NARROW, QUICK

pytestmark = pytest.mark.unit

NEWEST = ROOT / "docs/benchmark/results.json"
#: Wall seconds that make every claim true.
GOOD = {LIMIT: 9.0, OURS: 9.5, ACCELERATED: 4.0, "Polars": 9.6, "one partition": 2.0, "64 partitions": 2.0}


def run(wall: float, **more: Any) -> dict[str, Any]:
    seconds = {"wall": wall, "work": wall - 1, "start": 1.0, "task": wall - 0.5, "cpu": 2 * wall}
    marks = {"scored": wall, "published": wall + 1}
    return {"rc": 0, **seconds, "rss": 400 << 20, "noisy": False, "marks": marks, **more}


def content(form: str = "full", **changed: dict[str, float]) -> dict[str, Any]:
    """Results of all tables: three rounds of each row, `changed` (table -> row -> seconds) or what makes claims true."""
    measured = [
        {
            "key": table.key,
            "title": table.title,
            "what": "",
            "runs": {
                row.name: [run(changed.get(table.key, {}).get(row.name, GOOD.get(row.name, 12.0))) for _ in range(3)]
                for row in table.rows
            },
        }
        for table in (FULL if form == "full" else QUICK)
    ]
    return {
        "form": form,
        "command": "make bench-full",
        "minutes": 50.0,
        "commit": "0123456789",
        "date": "2026-01-01",
        "machine": "a processor, 2 cores",
        "versions": {"python": "3.11"},
        "quiet": {"patience": 300, "used": 1.0, "repeated": 0, "runs": 9, "disturbed": 0},
        "tables": measured,
        "airflow": {},
        "skipped": [{"table": "w4", "row": "Ray Data", "why": "ray is not installed"}],
        "wrong": [],
    }


def test_results_that_bear_the_claims_out_have_no_problem() -> None:
    assert problems(Results(content())) == []


def test_a_sentence_that_results_contradict_is_named_with_its_figures() -> None:
    (problem,) = problems(Results(content(w3x={LIMIT: 5.3})))  # and ours takes 9.5 s
    assert "docs/what-you-get.md" in problem and "contradicted" in problem and "w3x 0.56" in problem


def test_a_peer_that_is_faster_contradicts_the_sentence_that_it_is_not() -> None:
    found = problems(Results(content(w2={"Ray Data": 9.0})))
    assert len(found) == 2 and all("Ray Data on w2" in each for each in found)  # in the README and in docs/


def test_a_peer_that_is_ahead_in_every_round_is_not_level() -> None:
    (target,) = [target for target in TARGETS if target.name.startswith("against Polars")]
    for name in (POLARS, POLARS_NARROW):
        verdict = target.measure(Results(content(w4={name: 9.3})))
        assert verdict is not None and not verdict.holds and "w4 0.98" in verdict.text


def test_a_sentence_that_the_full_form_did_not_measure_is_a_problem_and_in_the_quick_form_is_none() -> None:
    full = content()
    full["tables"] = [table for table in full["tables"] if table["key"] != "w1x10"]
    found = problems(Results(full))
    assert found and all("was not measured" in problem for problem in found)
    assert problems(Results(content("quick"))) == []


def test_a_sentence_that_is_gone_from_its_document_is_a_problem(tmp_path: Path) -> None:
    for document in {claim.document for claim in CLAIMS}:
        (tmp_path / document).parent.mkdir(exist_ok=True)
        (tmp_path / document).write_text("It is fast.")
    found = problems(Results(content()), tmp_path)
    assert len(found) == len(CLAIMS) and all("no longer says" in each for each in found)


@pytest.mark.skipif(not NEWEST.exists(), reason="`make bench-full` has not been run")
def test_the_newest_results_bear_the_documents_out() -> None:
    assert problems(Results.read(NEWEST)) == []


def test_the_page_has_every_target_every_row_and_what_was_left_out() -> None:
    results = content(w2={OURS: 9.0})
    results["tables"][0]["runs"]["Ray Data"][0]["rc"] = 1
    page = tables.page(results)
    assert all(target.name in page for target in TARGETS)
    assert all(f"| {row.name} |" in page for table in FULL for row in table.rows)
    assert "| Ray Data | failed |" in page
    assert "w4, Ray Data: ray is not installed" in page
    assert "commit 0123456789" in page and "a processor, 2 cores" in page


def test_the_page_says_when_the_machine_was_not_quiet() -> None:
    results = content()
    results["quiet"] |= {"disturbed": 4, "used": 300.0, "repeated": 7}
    results["tables"][0]["runs"][OURS][1]["noisy"] = True
    page = tables.page(results)
    assert "not quiet: 4 of 9 runs were disturbed" in page
    assert f"| {OURS} | 3, 1 disturbed |" in page


def test_the_page_has_what_a_real_airflow_measured() -> None:
    seconds = {
        "run": 26.0,
        "empty_run": 20.0,
        "run_ratio": 1.3,
        "task": 0.9,
        "empty_task": 0.3,
        "task_seconds_more": 0.6,
    }
    rows = {
        "tutorial": {"seconds": [40.0, 42.0], "cpu": [60.0, 60.0]},
        OURS: {"seconds": [20.0, 21.0], "cpu": [40.0, 50.0]},
    }
    results = content()
    results["airflow"] = {
        "overhead": {"LocalExecutor": {"rounds": 3, **seconds}},
        "end_to_end": {"what": "10 partitions", "base": "tutorial", "rows": rows, "check": "Both published 10 rows."},
    }
    page = tables.page(results)
    assert "| LocalExecutor | 3 | 0.90 | 0.30 | 26.00 | 20.00 | 1.30 |" in page
    assert f"| {OURS} | 2 | 20.5 (20.0-21.0) | 45.0 (40.0-50.0) | 2.00 |" in page
    assert "| a scoring task over an empty one, LocalExecutor | at most 0.5 s | 0.60 s | **missed** |" in page
    assert "| the 17 years over a DAG of empty tasks | at most 1.3 | 1.30 | met |" in page


def test_ratios_are_paired_round_by_round_and_rows_may_have_taken_fewer_turns() -> None:
    results = content()
    runs = results["tables"][0]["runs"]
    runs[LIMIT] = [run(wall) for wall in (10.0, 20.0, 40.0, 30.0, 30.0)]
    runs["Ray Data"] = [run(wall) for wall in (20.0, 80.0, 80.0)]
    ratio = Results(results).of_limit("w1", "Ray Data", "wall")
    assert ratio is not None and (ratio.least, ratio.median, ratio.greatest) == (0.25, 0.5, 0.5)


def test_json_keeps_the_results_and_has_a_line_for_each_run() -> None:
    results = content()
    text = tables.as_json(results)
    assert json.loads(text) == results
    assert max(len(line) for line in text.splitlines()) < 300
    runs = sum(len(each) for table in results["tables"] for each in table["runs"].values())
    assert len(text.splitlines()) < 2 * runs + 200


def test_claims_are_about_workloads_of_the_full_form() -> None:
    assert set(WORKLOADS) <= {table.key for table in FULL}
