"""What a publication does to each partition of an output."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.errors import GateError, listed
from airflow_batchscore.publish.stamp import PartitionStamp, Publication

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """Keys of partitions.

    Attributes:
        added, replaced: published by this run.
        unchanged: in this run, and already published from the same manifest.
        kept: not in this run, and still published.
        dropped: not in this run, and removed because the run asked for it.
        generation: the highest order number of what this run published; see `Order.placed`.
        version: of a table, after this publication: a Delta version or an Iceberg snapshot; empty for other outputs.
    """

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    generation: int = 0
    version: str = ""

    @classmethod
    def between(cls, published: Mapping[str, PartitionStamp], new: Sequence[PartitionStamp], *, keep: bool) -> Changes:
        """The effect of publishing `new` over `published`; `keep` retains what is not in `new`."""
        same = {stamp.key for stamp in new if is_same(published.get(stamp.key), stamp)}
        mine = {stamp.key for stamp in new}
        others = [key for key in published if key not in mine]
        return cls(
            added=[stamp.key for stamp in new if stamp.key not in published],
            replaced=[stamp.key for stamp in new if stamp.key in published and stamp.key not in same],
            unchanged=[stamp.key for stamp in new if stamp.key in same],
            kept=others if keep else [],
            dropped=[] if keep else others,
            generation=max(stamp.generation for stamp in new),
        )

    @property
    def any(self) -> bool:
        """Whether what is published must change."""
        return bool(self.added or self.replaced or self.dropped)

    def to_dict(self) -> dict[str, list[str]]:
        """The partitions by what happened to them."""
        return {what: keys for what, keys in asdict(self).items() if what not in ("generation", "version")}

    def log(self, output: str) -> None:
        """Log them."""
        for what, keys in self.to_dict().items():
            if keys:
                log.info("%s: %s %s: %s", output, number_of(len(keys), "partition"), what, listed(keys))


def is_same(published: PartitionStamp | None, new: PartitionStamp) -> bool:
    """Whether these scores are already published: from the same manifest, byte for byte, with the same columns."""
    return published is not None and (published.manifest, published.decoded) == (new.manifest, new.decoded)


def require_rows(
    new: Iterable[PartitionStamp], published: Mapping[str, PartitionStamp], output: str, publication: Publication
) -> None:
    """Raises GateError if a partition without rows would replace one with rows."""
    emptied = [
        f"{stamp.key} ({published[stamp.key].rows} rows)"
        for stamp in new
        if not stamp.rows and stamp.key in published and published[stamp.key].rows
    ]
    if emptied and not publication.allow_empty:
        raise GateError(
            f"not published: no row was scored of {listed(emptied)}, of which {output} has rows. Find "
            "out why all were skipped or put into quarantine; allow_empty=True publishes empty partitions"
        )
