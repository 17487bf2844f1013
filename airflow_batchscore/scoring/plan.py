"""The plan: which partitions a run scores, with which model, and how they are packed into tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.pattern import require_short_names, sort_key
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.choice import Chosen
from airflow_batchscore.model.reference import ModelRef


def make_plan(
    dataset: PartitionedDataset,
    request: Any,
    model: ModelRef | None,
    *,
    max_tasks: int,
    pack_bytes: int | None = None,
    resources_for: Callable[[Partition], str] | None = None,
    choose: Callable[[Sequence[Partition]], Mapping[str, Chosen]] | None = None,
) -> list[dict[str, Any]]:
    """One JSON entry a task.

    It holds ``label``, ``partitions`` (field values), ``files`` (how many each has), ``bytes`` (of all), ``model``,
    ``tasks`` and ``resources``.

    ``tasks`` is the number of entries of the same ``resources``, which is None where nobody chose. With `choose` an
    entry has ``choices``, one per partition, and ``like``, a model that the output columns of all are like.

    Args:
        request: see `parse_request`.
        model: of all partitions; None where each has its own, or none is needed.
        choose: gives each partition's own model by its key.
        max_tasks: upper limit of entries; partitions are packed by size to stay within it.
        pack_bytes: put small partitions together until a task has about this many bytes.
        resources_for: names the kind of worker that a partition needs; a task has partitions of one kind.

    Raises:
        InputError: a partition asked for is not there, or there is none, or its name is too long for a folder.
    """
    if max_tasks < 1 or (pack_bytes is not None and pack_bytes < 1):
        raise InputError(f"max_tasks={max_tasks} and pack_bytes={pack_bytes} must be at least 1")
    partitions = sorted(dataset.require(request), key=lambda partition: sort_key(partition.values))
    kinds: dict[str | None, list[Partition]] = {}
    for partition in partitions:
        require_short_names(partition.values)
        kinds.setdefault(None if resources_for is None else str(resources_for(partition)), []).append(partition)
    packs = {kind: _pack_small(some, pack_bytes) if pack_bytes else [[p] for p in some] for kind, some in kinds.items()}
    if sum(len(some) for some in packs.values()) > max_tasks:
        shares = _shares(kinds, max_tasks)
        packs = {kind: _pack_evenly(some, shares[kind]) for kind, some in kinds.items()}
    choices = None if choose is None else choose(partitions)
    return [
        {
            "label": _label(pack),
            "partitions": [partition.values for partition in pack],
            "files": [len(partition.files) for partition in pack],
            "bytes": sum(partition.size for partition in pack),
            "model": None if model is None else model.to_dict(),
            "tasks": len(some),
            "resources": kind,
            **_own_models(pack, choices),
        }
        for kind, some in packs.items()
        for pack in some
    ]


def _own_models(pack: Sequence[Partition], choices: Mapping[str, Chosen] | None) -> dict[str, Any]:
    if choices is None:
        return {}
    like = next(choice.model for choice in choices.values() if choice.model is not None)
    return {"choices": [choices[partition.key].to_dict() for partition in pack], "like": like.to_dict()}


def _shares(kinds: dict[str | None, list[Partition]], tasks: int) -> dict[str | None, int]:
    """Tasks for each kind: one, and of the others its share of the bytes."""
    if len(kinds) > tasks:
        names = ", ".join(sorted(map(str, kinds))[:20])
        raise InputError(f"max_tasks={tasks} is fewer than the {len(kinds)} kinds of resources: {names}")
    sizes = {kind: sum(partition.size + 1 for partition in some) for kind, some in kinds.items()}
    return {kind: 1 + (tasks - len(kinds)) * size // sum(sizes.values()) for kind, size in sizes.items()}


def _label(pack: Sequence[Partition]) -> str:
    if len(pack) == 1:
        return pack[0].key
    return f"{pack[0].key} to {pack[-1].key} ({len(pack)} partitions)"


def _pack_small(partitions: Sequence[Partition], pack_bytes: int) -> list[list[Partition]]:
    """Neighbours together, as many as fit; a partition that is larger alone stays alone."""
    packs: list[list[Partition]] = []
    size = 0
    for partition in partitions:
        if packs and size + partition.size <= pack_bytes:
            packs[-1].append(partition)
            size += partition.size
        else:
            packs.append([partition])
            size = partition.size
    return packs


def _pack_evenly(partitions: Sequence[Partition], tasks: int) -> list[list[Partition]]:
    """At most `tasks` packs of like size: the biggest partition goes first, each to the lightest pack so far."""
    import heapq

    heap = [(0, number) for number in range(tasks)]
    packs: list[list[Partition]] = [[] for _ in range(tasks)]
    for partition in sorted(partitions, key=lambda partition: -partition.size):
        size, number = heapq.heappop(heap)
        packs[number].append(partition)
        # A partition costs something even when it is empty, or all empty ones would land in one pack.
        heapq.heappush(heap, (size + partition.size + 1, number))
    ordered = [sorted(pack, key=lambda partition: sort_key(partition.values)) for pack in packs if pack]
    return sorted(ordered, key=lambda pack: -sum(partition.size for partition in pack))
