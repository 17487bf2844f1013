"""One round of a sample, and which of several tell the pace of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: So many rounds tell the pace.
ENOUGH = 3
#: A round with this much larger a share needs memory that no round before it made room for.
_NEEDS_ROOM = 1.2
#: Of the largest round that tells; less is all overhead, or empty files.
_TOO_LITTLE = 0.1


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
    blocks: int

    @property
    def whole_seconds(self) -> float:
        """What it would have taken with whole blocks."""
        return self.seconds / self.share


def telling(rounds: Sequence[Round]) -> Sequence[Round]:
    """The largest rounds for which others had made room, or the last round.

    Where a process uses so much memory for the first time, that alone can take as long as the work.
    """
    largest, made = 0.0, 0
    for number, each in enumerate(rounds):
        if each.share > _NEEDS_ROOM * largest:
            made = number
        largest = max(largest, each.share)
    again = sorted(rounds[made + 1 :], key=lambda each: each.bytes)[-ENOUGH:]
    return [each for each in again if each.bytes > _TOO_LITTLE * again[-1].bytes] or rounds[-1:]
