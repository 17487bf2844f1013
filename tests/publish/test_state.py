"""The state of a run, and what tasks return of it through XCom."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support import good_rows, small

from airflow_batchscore.errors import GateError, InputError
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import NoModel
from airflow_batchscore.publish.state import RunState, current_tasks, planned_partitions, scored_partitions
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.scored import ScoredPartition, ScoredTask

pytestmark = pytest.mark.unit

ENTRIES = [PlanEntry(f"p={n}", [{"p": str(n)}], [1], 9, NoModel(), None, 2, n, 2, 7, "/x") for n in range(2)]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> list[ScoredTask]:
    """What the tasks that scored the partitions 10, 9 and 8 returned, the last of which was scored before."""
    data = small(tmp_path_factory.mktemp("data"))
    for partition in (8, 9, 10):
        data.add(partition, good_rows(5, partition))
    data.score(8)
    return [
        ScoredTask(manifest.key, [ScoredPartition.of(manifest, reused=reused, run="d/r", generation=7)])
        for manifest, reused in data.score(10, 9, 8)
    ]


def test_what_the_scoring_tasks_committed_is_read_from_storage_in_order(tasks: list[ScoredTask]) -> None:
    state = RunState.read(scored_partitions(tasks), None)
    assert [manifest.key for manifest in state.manifests] == ["p=8", "p=9", "p=10"]
    assert state.generations == {"p=8": 7, "p=9": 7, "p=10": 7}
    assert state.reused == {"p=8": True, "p=9": False, "p=10": False}


def test_a_run_without_scores_or_with_the_same_twice_is_refused(tasks: list[ScoredTask]) -> None:
    with pytest.raises(GateError, match="no scoring task gave a manifest"):
        scored_partitions([ScoredTask("none", [])])
    with pytest.raises(GateError, match=r"scores: p=9 more than once; give each"):
        scored_partitions([*tasks, tasks[1]])


def test_a_plan_counts_only_as_a_whole() -> None:
    assert planned_partitions(ENTRIES) == [{"p": "0"}, {"p": "1"}]
    for entries, message in [
        ([], "there is no entry"),
        (ENTRIES[:1], "1 entries were received, and these are not the 2 that were planned"),
        ([ENTRIES[0], replace(ENTRIES[1], generation=8)], "these are not the 2 that were planned, each once"),
        ([ENTRIES[0], ENTRIES[0]], "these are not the 2 that were planned, each once"),
    ]:
        with pytest.raises(GateError, match=message):
            planned_partitions(entries)


def test_what_is_handed_on_comes_back_from_json_and_not_from_another_version(
    tasks: list[ScoredTask],
) -> None:
    for value in (ENTRIES[0], tasks[0]):
        handed = json.loads(json.dumps(value.to_dict()))
        assert type(value).from_dict({**handed, "task": ["t", -1]}) == value  # as a seal leaves it
        for schema in (0, None, 99):
            with pytest.raises(InputError, match=rf"by another version of .* \(schema {schema}, not [13]\): cl"):
                type(value).from_dict({**handed, "schema": schema})


def _scored(generation: int, *numbers: int) -> ScoredTask:
    partitions = [
        ScoredPartition({"p": str(number)}, f"/staged/{number}", "0" * 64, "d/r", generation, False, Account(), 1.0, 1)
        for number in numbers
    ]
    return ScoredTask("some", partitions)


@pytest.mark.parametrize(
    ("stages", "tasks", "planned", "current"),
    [
        ("sss", [_scored(2, 0), _scored(2, 2), _scored(2, 3)], [0, 2, 3], [0, 1, 2]),
        ("ssss", [_scored(2, 0), _scored(2, 2), _scored(2, 3), _scored(1, 3)], [0, 2, 3], [0, 1, 2]),
        ("sss", [_scored(2, 0), _scored(2, 1), _scored(1, 2)], [0, 1], [0, 1]),
        ("sss", [_scored(2, 0), _scored(2, 1), _scored(1, 2)], None, [0, 1, 2]),
        ("ss", [_scored(2, 0, 1), _scored(1, 1, 2)], [0, 1], [0]),
        ("ss", [_scored(1, 0), _scored(2, 1)], [0, 1], [0, 1]),  # one was cleared after the plan was made again
        ("sc", [_scored(2, 0), _scored(1, 0)], [0], [0, 1]),  # of two stages: the same twice is refused
        ("ss", [_scored(1, 0), _scored(1, 0)], [0], [0, 1]),
    ],
)
def test_what_an_older_plan_left_behind_does_not_count(
    stages: str, tasks: list[ScoredTask], planned: list[int] | None, current: list[int]
) -> None:
    values = None if planned is None else [{"p": str(number)} for number in planned]
    assert current_tasks(list(stages), tasks, values) == current
