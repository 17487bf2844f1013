"""One round of a sample, and which of several tell the pace of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: So many of the last rounds tell the pace.
ENOUGH = 3
#: A round that is larger by this needs memory that no round before it made room for.
_LARGER_BY = 1.2


@dataclass(frozen=True)
class Round:
    """What was scored at once, and how long it took.

    Attributes:
        share: of each block.
        lanes: workers that had a block.
        blocks: or beginnings of blocks.
    """

    share: float
    seconds: float
    bytes: float
    rows: int
    partitions: int
    lanes: int
    blocks: int = 1

    @property
    def whole_seconds(self) -> float:
        """What it would have taken with whole blocks."""
        return self.seconds / self.share


def telling(rounds: Sequence[Round]) -> Sequence[Round]:
    """The last rounds for which others had made room, or the last one.

    Where a process uses so much memory for the first time, that alone can take as long as the work.
    """
    largest, made = 0.0, 0
    for number, each in enumerate(rounds):
        if each.share > _LARGER_BY * largest:
            made = number
        largest = max(largest, each.share)
    return rounds[made + 1 :][-ENOUGH:] or rounds[-1:]
