"""What a publication does to each partition of an output."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from airflow_batchscore.errors import GateError
from airflow_batchscore.publish.stamp import Publication, Stamp

log = logging.getLogger(__name__)

_MOST_NAMED = 20


@dataclass(frozen=True)
class Changes:
    """Keys of partitions.

    Attributes:
        added, replaced: published by this run.
        unchanged: of this run, and published before from the same manifest.
        kept: not of this run, and still there.
        dropped: not of this run, and gone, because it asked for that.
        generation: the highest order number of what this run published; see `Order.placed`.
    """

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    generation: int = 0

    @classmethod
    def between(cls, published: Mapping[str, Stamp], new: Sequence[Stamp], *, keep: bool) -> Changes:
        """What publishing `new` does to what is published; `keep` what is not in it."""
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
        """What became of which partitions."""
        return {what: keys for what, keys in asdict(self).items() if what != "generation"}

    def log(self, output: str) -> None:
        """Say them."""
        for what, keys in self.to_dict().items():
            if keys:
                more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
                log.info("%s: %d partitions %s: %s%s", output, len(keys), what, ", ".join(keys[:_MOST_NAMED]), more)


def is_same(published: Stamp | None, new: Stamp) -> bool:
    """Whether these scores are published already: from the same manifest, byte for byte."""
    return published is not None and published.manifest == new.manifest


def require_rows(new: Iterable[Stamp], published: Mapping[str, Stamp], output: str, publication: Publication) -> None:
    """Raises GateError where a partition that has rows would be replaced by one without."""
    emptied = [
        f"{stamp.key} ({published[stamp.key].rows} rows)"
        for stamp in new
        if not stamp.rows and stamp.key in published and published[stamp.key].rows
    ]
    if emptied and not publication.allow_empty:
        raise GateError(
            f"not published: no row was scored of {', '.join(emptied[:_MOST_NAMED])}, of which {output} has rows. Find "
            "out why all were skipped or put into quarantine; allow_empty=True publishes empty partitions"
        )
