"""What is unusual about the partitions that a run plans: their sizes and arrivals, before anybody pays for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_batchscore.data.arrivals import LEAST, Arrivals, Volume
from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.partition_by import PartitionBy
from airflow_batchscore.errors import GateError, InputError, listed


def unusual(
    every: Sequence[Partition],
    planned: Sequence[Partition],
    max_change: float | None = None,
    *,
    terms: PartitionBy | None = None,
) -> dict[str, list[str]]:
    """Partition key -> what is unusual about it, in sentences.

    Args:
        every: all partitions that exist.
        planned: those that the run scores. If it scores all that exist, only the newest (of each device, ...) is
            looked at, or each run would repeat what is strange about old ones.
        max_change: how many times larger or smaller than usual a partition may be; None for any.
        terms: of the dataset.

    Raises:
        GateError: a partition is larger or smaller, or none has a history to compare it with.
        InputError: `max_change` is no limit.
    """
    keys = None if len(planned) == len(every) else {partition.key for partition in planned}
    arrivals = Arrivals(every, terms, like=keys)
    volumes = arrivals.volumes(keys)
    if max_change is not None:
        _require_volumes(volumes, max_change)
    found: dict[str, list[str]] = {}
    if max_change is not None and (unmeasured := arrivals.unmeasured(keys)):
        text = (
            f"max_volume_change={max_change:g} was not measured for {len(unmeasured):,} of the partitions, "
            f"{listed(unmeasured)}: they do not have the {LEAST} before them that tell what is usual"
        )
        found[unmeasured[0]] = [text]
    for volume in volumes:
        if volume.is_unusual:
            found.setdefault(volume.key, []).append(volume.text)
    for key, text in arrivals.late(keys).items():
        found.setdefault(key, []).append(text)
    return found


def _require_volumes(volumes: Sequence[Volume], most: float) -> None:
    if not most > 1:
        raise InputError(f"max_volume_change={most:g}: give how many times larger or smaller, such as 3; more than 1")
    if not volumes:
        raise GateError(
            f"max_volume_change cannot be measured: no partition has the {LEAST} before it, in the order of its dates "
            "or numbers, that tell what is usual (the number of a bucket is no order). Run without it until there are"
        )
    problems = [volume.text for volume in volumes if not 1 / most <= volume.times <= most]
    if problems:
        raise GateError(
            f"not planned, because max_volume_change={most:g}: {listed(problems, '; ')}. If it is right, run without it"
        )


def as_list(notices: Mapping[str, Sequence[str]]) -> list[str]:
    """All of them, in the order of the partitions."""
    return [text for texts in notices.values() for text in texts]
