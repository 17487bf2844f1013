"""What tasks of a run returned: unsealed before anything of it is believed, and remembered.

A page asks every two seconds, and what a task returned does not change meanwhile: a value that is equal to the one that
was unsealed before is not unsealed again. Lists that lie in files are read in the background.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow_batchscore.data.json_types import Json, JsonMapping, JsonObject
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.operators.stored_lists import full, is_inline, references
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plugin.cache import Cache
from airflow_batchscore.plugin.reads import At, LateError, Reads
from airflow_batchscore.plugin.xcoms import Returned
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.publish.run_view_records import Instance, Kind, Problem, TaskRecord
from airflow_batchscore.publish.verdict import CheckedScores
from airflow_batchscore.scoring.scored import ScoredTask

#: A page of a run waits no longer than this for each kind of files, and only once.
SECONDS = 2.0
#: Values that are remembered: a few runs of thousands of tasks.
_MOST = 16_384


@dataclass(frozen=True)
class _Returning:
    """What tasks of a kind return.

    Attributes:
        purpose: that it is sealed for.
        has_files: whether its long lists are needed, too.
    """

    purpose: str
    read: Callable[[JsonMapping], Any]
    has_files: bool = True


RETURNING: dict[Kind, _Returning] = {
    "plan": _Returning("plan", PlanEntry.from_dict),
    "score": _Returning("scores", ScoredTask.from_dict),
    "check_scores": _Returning("audit", CheckedScores.from_dict, has_files=False),
    "combine": _Returning("publication", PublishedRun.from_dict),
}


@dataclass
class Unsealed:
    """What tasks returned; those that returned something unusable are among `problems` instead.

    Attributes:
        is_late: whether some of it is still being read.
    """

    plans: dict[Instance, list[PlanEntry]] = field(default_factory=dict)
    scored: dict[Instance, ScoredTask] = field(default_factory=dict)
    checked: dict[Instance, CheckedScores] = field(default_factory=dict)
    published: dict[Instance, PublishedRun] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    is_late: bool = False


@dataclass(frozen=True)
class _Item:
    """A value as it is stored. A plan returns several."""

    task: TaskRecord
    place: int
    value: Returned

    @property
    def name(self) -> tuple[Instance, int]:
        return self.task.instance, self.place

    @property
    def key(self) -> Hashable:
        """Its name among those of all runs."""
        return self.value.run, self.name


#: Run, task instance and place -> the stored value, and what was read of it.
_memory: Cache[Hashable, tuple[Json, Any]] = Cache(_MOST)
_lists: Reads[JsonMapping] = Reads(most=2048)


def unsealed(returned: Sequence[tuple[TaskRecord, Returned]]) -> Unsealed:
    """What tasks returned.

    Args:
        returned: by tasks of the kinds of `RETURNING`.
    """
    items = [
        _Item(task, place, value._replace(value=item))
        for task, value in returned
        for place, item in enumerate(
            value.value if task.kind == "plan" and isinstance(value.value, list) else [value.value]
        )
    ]
    errors: dict[Instance, Exception] = {}
    known = _memory.recall(item.key for item in items)
    read = {
        item.name: known[item.key][1] for item in items if item.key in known and known[item.key][0] == item.value.value
    }
    opened: list[tuple[_Item, JsonObject]] = []
    for item in items:
        if item.name not in read:
            try:
                opened.append((item, item.value.unsealed(RETURNING[item.task.kind].purpose)))
            except (BatchScoreError, KeyError, TypeError, ValueError) as error:
                errors.setdefault(item.task.instance, error)
    filled, unread = _with_lists(opened)
    for item, value in opened:
        try:
            if item.name in unread:
                raise unread[item.name]
            read[item.name] = RETURNING[item.task.kind].read(filled.get(item.name, value))
            _memory.keep({item.key: (item.value.value, read[item.name])})
        except (BatchScoreError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            errors.setdefault(item.task.instance, error)
    return _sorted(items, read, errors)


def _with_lists(
    opened: Sequence[tuple[_Item, JsonObject]],
) -> tuple[Mapping[Hashable, JsonMapping], Mapping[Hashable, Exception]]:
    """Item -> its value with the lists that lie in files, where it has some; and why some could not be read."""
    wanted: dict[Hashable, Callable[[], JsonMapping]] = {}
    names: dict[Hashable, Hashable] = {}
    for item, value in opened:
        if RETURNING[item.task.kind].has_files and not is_inline(value):
            name = item.key, str(item.value.value["seal"])
            wanted[name], names[name] = At(next(references(value)).location, partial(_full, value)), item.name
    if not wanted:
        return {}, {}
    values, errors = _lists.get_all(wanted, SECONDS)
    return {names[name]: value for name, value in values.items()}, {names[name]: each for name, each in errors.items()}


def _full(value: JsonMapping) -> JsonMapping:
    (filled,) = full([value])
    return filled  # type: ignore[no-any-return]


def _sorted(
    items: Sequence[_Item], read: Mapping[tuple[Instance, int], Any], errors: Mapping[Instance, Exception]
) -> Unsealed:
    found = Unsealed()
    for instance, error in errors.items():
        if isinstance(error, LateError):
            found.is_late = True
        else:
            found.problems.append(Problem(instance, type(error).__name__, str(error)))
    for item in items:
        instance = item.task.instance
        if instance in errors:
            continue
        value = read[item.name]
        match item.task.kind:
            case "plan":
                found.plans.setdefault(instance, []).append(value)
            case "score":
                found.scored[instance] = value
            case "check_scores":
                found.checked[instance] = value
            case "combine":
                found.published[instance] = value
    return found
