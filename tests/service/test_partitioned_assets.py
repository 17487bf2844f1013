"""The example of partitioned assets on a real scheduler: years arrive, are scored alone, rolled up, corrected."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from demo import arrive
from demo_results import print_results
from examples import EXAMPLES
from runs import explain, succeed
from stack import Stack
from support import Wta, newest_summary

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

YEARS = ["2014", "2015", "2016"]


def _home(stack: Stack) -> Path:
    return Path(stack.extra["WTA_HOME"])


def _keys(stack: Stack, dag_id: str) -> list[str]:
    return sorted(run["partition_key"] for run in stack.started_by_events(dag_id))


def _published(stack: Stack) -> dict[str, str]:
    """Year -> digest of the bytes of its file."""
    folder = _home(stack) / "predictions_by_arrival"
    files = {path.parent.name.removeprefix("year="): path for path in folder.glob("year=*/*.parquet")}
    return {year: hashlib.sha256(path.read_bytes()).hexdigest() for year, path in files.items()}


def _matches(stack: Stack) -> int:
    """The id of the asset."""
    return next(a["id"] for a in stack.get("/api/v2/assets?limit=100")["assets"] if "wta_matches_{year}" in a["uri"])


def _staged(stack: Stack) -> dict[str, dict[str, int]]:
    """Year -> committed manifests and when they were written."""
    folders = {year: _home(stack) / "staging" / f"year={year}" for year in YEARS}
    return {
        year: {str(path): path.stat().st_mtime_ns for path in folder.glob("*/manifests/*.json")}
        for year, folder in folders.items()
    }


def _arrive(stack: Stack) -> list[str]:
    """What a look announces, after the runs that it starts have ended."""
    said: list[str] = []
    arrive(stack, said.append)
    (announced,) = [line.removeprefix("announced: ") for line in said if line.startswith("announced: ")]
    return announced.split(", ")


@pytest.fixture(scope="module")
def full_set(stack: Stack) -> dict[str, str]:
    """The first look, which announces three years. Returns what was published of each."""
    for dag_id in EXAMPLES["wta_partitioned_assets"].dags:
        stack.wait_for_dag(dag_id)
    if not (_home(stack) / "models" / "wta" / "aliases" / "champion.json").exists():
        succeed(stack, "wta_batch_scoring", {"years": [2014], "output": "predictions_of_2014.parquet"})
    assert sorted(_arrive(stack)) == YEARS
    return _published(stack)


@pytest.fixture
def corrected(matches: Wta) -> Iterator[None]:
    """A match of 2015 is gone."""
    path = matches.folder / "wta_matches_2015.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rstrip().rindex(b"\n") + 1])
    yield
    path.write_bytes(whole)


def test_each_year_that_arrives_is_scored_and_published_by_a_run_of_its_own(
    stack: Stack, full_set: dict[str, str]
) -> None:
    assert _keys(stack, "wta_score_year") == YEARS
    assert sorted(full_set) == YEARS
    run = stack.started_by_events("wta_score_year")[0]
    (scored,) = [
        task for task in stack.task_instances("wta_score_year", run["dag_run_id"]) if task["task_id"] == "score"
    ]
    assert scored["rendered_map_index"] == f"year={run['partition_key']}"


def test_the_full_set_is_published_once_when_the_last_year_is_there(
    stack: Stack, full_set: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _keys(stack, "wta_full_set") == ["2014..2016"]
    found = pd.read_parquet(_home(stack) / "first_full_set.parquet")
    alone = pd.read_parquet(_home(stack) / "predictions_by_arrival")
    assert found["year"].astype(str).value_counts().to_dict() == alone["year"].astype(str).value_counts().to_dict()
    assert newest_summary(_home(stack), "first_full_set.parquet")["totals"]["reused"] == 3
    print_results("wta_partitioned_assets", _home(stack))
    assert re.findall(r"^20\d\d", capsys.readouterr().out, re.MULTILINE) == YEARS


def test_a_year_named_in_the_form_is_scored_and_a_look_meanwhile_announces_nothing(
    stack: Stack, full_set: dict[str, str]
) -> None:
    run_id = stack.trigger("wta_score_year", {}, partition_key="2014")
    succeed(stack, "wta_arrivals", {})
    events = stack.get(f"/api/v2/assets/events?asset_id={_matches(stack)}&limit=100")["asset_events"]
    assert sorted(event["partition_key"] for event in events) == YEARS
    assert stack.wait_for_run("wta_score_year", run_id, 120) == "success", explain(stack, "wta_score_year", run_id)
    tasks = stack.task_instances("wta_score_year", run_id)
    assert [task["rendered_map_index"] for task in tasks if task["task_id"] == "score"] == ["year=2014"]
    assert _published(stack) == full_set


def test_what_a_killed_task_announced_without_any_event_is_announced_again(
    stack: Stack, full_set: dict[str, str]
) -> None:
    """A task that is killed leaves what it was about to announce, and Airflow raises no event."""
    path = f"/api/v2/assets/{_matches(stack)}/state-store/batchscore_announced"
    kept = stack.get(path)["value"]
    killed = {"last": {"2014": kept["known"].pop("2014")}, "token": "of no event"}
    stack.put(path, {"value": {**kept, **killed}})
    runs = len(stack.started_by_events("wta_score_year"))
    assert _arrive(stack) == ["2014"]
    assert len(stack.started_by_events("wta_score_year")) == runs + 1
    assert _published(stack) == full_set


@pytest.mark.usefixtures("corrected")
def test_a_corrected_year_is_scored_and_published_alone(stack: Stack, full_set: dict[str, str]) -> None:
    before = _home(stack) / "first_full_set.parquet"
    whole, staged, keys = before.read_bytes(), _staged(stack), _keys(stack, "wta_score_year")
    assert _arrive(stack) == ["2015"]
    assert _keys(stack, "wta_score_year") == sorted([*keys, "2015"])
    now = _published(stack)
    assert {year for year in YEARS if now[year] != full_set[year]} == {"2015"}
    after = _staged(stack)
    assert {year for year in YEARS if after[year] != staged[year]} == {"2015"}
    assert len(after["2015"]) == len(staged["2015"]) + 1
    assert _keys(stack, "wta_full_set") == ["2014..2016"]
    assert before.read_bytes() == whole
