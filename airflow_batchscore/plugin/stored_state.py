"""Values of Airflow's task state store, checked before pages use them: anybody who may clear a task can write there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.publish.progress import Failure, GateResult, Progress

S = TypeVar("S", Progress, Failure, GateResult)

#: Longer texts are read again each time: read, a text takes many times its size.
_LONGEST_KEPT = 4_000
#: No count, size or time of ours is below 0 or above this; others could break the arithmetic of a page.
_LARGEST = 10**15


def stored_progress(text: str) -> Progress | None:
    """A task's progress; None for anything that is none, such as a reference that another backend stores here."""
    return _kept_progress(text) if len(text) <= _LONGEST_KEPT else _progress(text)


def _progress(text: str) -> Progress | None:
    progress = _parsed(text, Progress.from_dict, _PROGRESS)
    if progress is None:
        return None
    try:
        started = datetime.fromisoformat(progress.started)
    except ValueError:
        return None
    return progress if started.tzinfo and _are_ranges(progress.done) else None


#: Of a run's tasks, few change between two looks.
_kept_progress = lru_cache(maxsize=4096)(_progress)


def _are_ranges(done: Sequence[Sequence[int]]) -> bool:
    """Pairs in rising order that do not overlap: together they name no more positions than there are."""
    if not all(len(each) == 2 for each in done):
        return False
    bounds = [bound for each in done for bound in each]
    return all(begin <= end for begin, end in done) and all(
        end < begin for end, begin in zip(bounds[1::2], bounds[2::2], strict=False)
    )


def stored_failure(text: str) -> Failure | None:
    """Why a task failed; None for anything else."""
    return _parsed(text, Failure.from_dict, _FAILURE)


def stored_gate(text: str) -> GateResult | None:
    """What a gate found; None for anything else."""
    return _parsed(text, GateResult.from_dict, _GATE)


_PROGRESS = TypeAdapter(Progress)
_FAILURE = TypeAdapter(Failure)
_GATE = TypeAdapter(GateResult)


def _parsed(text: str, read: Callable[[JsonMapping], S | None], types: TypeAdapter[S]) -> S | None:
    try:
        value = read(json.loads(text, parse_int=_whole, parse_float=_number, parse_constant=_number))
        # As JSON, where strict types are those of JSON, and half a character is an error.
        return None if value is None else types.validate_json(json.dumps(_plain(value)), strict=True)
    except (ValueError, TypeError, AttributeError, RecursionError, ValidationError):
        return None


def _number(text: str) -> float:
    number = float(text)
    if not 0 <= number <= _LARGEST:
        raise ValueError(f"{text[:20]} is no number of ours")
    return number


def _whole(text: str) -> int:
    _number(text)
    return int(text)


def _plain(value: object) -> object:
    """`dataclasses.asdict` without its copies of everything."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {name: _plain(item) for name, item in vars(value).items()}
    return value
