"""The plan: which partitions a run scores, with which model, and how they are packed into tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.pattern import require_short_names, shown, sort_key
from airflow_batchscore.errors import InputError
from airflow_batchscore.plan.entry import PlanEntry
from airflow_batchscore.plan.models import Models, NoModel


def requested_partitions(
    dataset: PartitionedDataset, request: object, listed: Sequence[Partition] | None = None
) -> list[Partition]:
    """The partitions that a run scores, in the order of their values.

    Args:
        request: see `parse_request`.
        listed: all that exist, to list storage once only.

    Raises:
        InputError: one does not exist, there are none, or a name is too long for a folder.
    """
    if dataset.read(request).items == []:
        raise InputError(f"partitions={request!r} names no partition; leave it out for all of them")
    partitions = sorted(dataset.require(request, listed), key=lambda partition: sort_key(partition.values))
    for partition in partitions:
        require_short_names(partition.values)
    return partitions


def make_plan(
    partitions: Sequence[Partition],
    models: Models | NoModel,
    *,
    max_tasks: int,
    pack_bytes: int | None = None,
    resources_for: Callable[[Partition], str] | None = None,
    generation: int = 0,
    dataset: str = "",
    version: str = "",
    inputs: str = "",
    notices: Mapping[str, Sequence[str]] | None = None,
) -> list[PlanEntry]:
    """Pack partitions into tasks.

    Args:
        models: what they are scored with, unless the scoring tasks apply a function.
        max_tasks: maximum number of entries; partitions are packed by size to stay within it.
        pack_bytes: pack small partitions together until a task has about this many bytes.
        resources_for: names the kind of worker that a partition needs; all partitions of a task are of one kind.
        generation, dataset, version, inputs: see `PlanEntry`.
        notices: partition key -> what people should look at.

    Raises:
        InputError: a limit is invalid.
    """
    for name, limit in (("max_tasks", max_tasks), ("pack_bytes", pack_bytes)):
        if limit is not None and limit < 1:
            raise InputError(f"{name}={limit} must be at least 1")
    kinds: dict[str | None, list[Partition]] = {}
    for partition in partitions:
        kinds.setdefault(None if resources_for is None else str(resources_for(partition)), []).append(partition)
    packs = {
        kind: _pack_small(group, pack_bytes) if pack_bytes else [[p] for p in group] for kind, group in kinds.items()
    }
    if sum(len(group) for group in packs.values()) > max_tasks:
        shares = _shares(kinds, max_tasks)
        packs = {kind: _pack_evenly(group, shares[kind]) for kind, group in kinds.items()}
    each = [(kind, pack) for kind, group in packs.items() for pack in group]
    return [
        PlanEntry(
            label=_label(pack),
            partitions=[partition.values for partition in pack],
            files=[len(partition.files) for partition in pack],
            bytes=sum(partition.size for partition in pack),
            models=models.only([partition.key for partition in pack]),
            resources=kind,
            tasks=len(packs[kind]),
            index=index,
            count=len(each),
            generation=generation,
            dataset=dataset,
            version=version,
            inputs=inputs,
            notices=tuple(text for partition in pack for text in (notices or {}).get(partition.key, ())),
        )
        for index, (kind, pack) in enumerate(each)
    ]


def _shares(kinds: dict[str | None, list[Partition]], tasks: int) -> dict[str | None, int]:
    """Number of tasks for each kind: one, plus its share of the rest by bytes."""
    if len(kinds) > tasks:
        names = ", ".join(sorted(map(str, kinds))[:20])
        raise InputError(f"max_tasks={tasks} is fewer than the {len(kinds)} kinds of resources: {names}")
    sizes = {kind: sum(partition.size + 1 for partition in group) for kind, group in kinds.items()}
    return {kind: 1 + (tasks - len(kinds)) * size // sum(sizes.values()) for kind, size in sizes.items()}


def _label(pack: Sequence[Partition]) -> str:
    if len(pack) == 1:
        return shown(pack[0].key)
    return f"{shown(pack[0].key)} to {shown(pack[-1].key)} ({len(pack)} partitions)"


def _pack_small(partitions: Sequence[Partition], pack_bytes: int) -> list[list[Partition]]:
    """Pack as many neighbours together as fit; a partition above the limit stays alone."""
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
    """At most `tasks` packs of similar size: largest partition first, each into the lightest pack so far."""
    import heapq

    heap = [(0, number) for number in range(tasks)]
    packs: list[list[Partition]] = [[] for _ in range(tasks)]
    for partition in sorted(partitions, key=lambda partition: -partition.size):
        size, number = heapq.heappop(heap)
        packs[number].append(partition)
        # An empty partition must also cost something, or all empty ones would end up in one pack.
        heapq.heappush(heap, (size + partition.size + 1, number))
    ordered = [sorted(pack, key=lambda partition: sort_key(partition.values)) for pack in packs if pack]
    return sorted(ordered, key=lambda pack: -sum(partition.size for partition in pack))
