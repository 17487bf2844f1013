"""`Agreements`: how often two models give the same rows the same class, as counts that add up over blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

#: Classes that are counted by name, the most frequent ones; the rest are one.
MOST_CLASSES = 20
OTHER = "(other)"
MISSING = "(missing)"
#: Kept while counts are added up, so that those that turn out to be frequent are among them.
_MOST_KEPT = 200
_MOST_PAIRS = 2_000


@dataclass(frozen=True)
class Agreements:
    """Which classes champion and challenger give.

    Attributes:
        rows: that at least one of the two has scored.
        alone: of these, rows that only one has scored; they count as disagreement.
        agreed: rows that both give the same class.
        pairs: (champion's class, challenger's) -> rows that both scored. `OTHER` stands for several classes, and two
            of them may differ.
    """

    rows: int = 0
    alone: int = 0
    agreed: int = 0
    pairs: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, champion: pa.ChunkedArray, challenger: pa.ChunkedArray, alone: int = 0) -> Agreements:
        """Of classes for the same rows, and of rows that only one model has scored. Missing classes are alike."""
        import pyarrow as pa

        table = pa.table({"champion": champion, "challenger": challenger})
        counted = table.group_by(table.column_names).aggregate([([], "count_all")])
        agreed = _alike(counted)
        if counted.num_rows > _MOST_PAIRS:  # numbers or texts that are no classes
            counted = counted.sort_by([("count_all", "descending")]).slice(0, _MOST_PAIRS)
        pairs: Counter[tuple[str, str]] = Counter()
        for row in counted.to_pylist():
            pairs[_named(row["champion"]), _named(row["challenger"])] += row["count_all"]
        if rest := len(champion) - sum(pairs.values()):
            pairs[OTHER, OTHER] += rest
        return cls(len(champion) + alone, alone, agreed, _of_most(pairs, _MOST_KEPT))

    def __add__(self, other: Agreements) -> Agreements:
        pairs = Counter(self.pairs)
        pairs.update(other.pairs)
        return Agreements(
            self.rows + other.rows,
            self.alone + other.alone,
            self.agreed + other.agreed,
            _of_most(pairs, _MOST_KEPT),
        )

    @property
    def share(self) -> float | None:
        """Of the rows, those that both give the same class; None without rows."""
        return self.agreed / self.rows if self.rows else None

    def confusion(self) -> tuple[list[str], list[list[int]]]:
        """The classes, and for each class of the champion the rows that the challenger gives each class."""
        pairs = _of_most(Counter(self.pairs), MOST_CLASSES)
        classes = sorted({name for pair in pairs for name in pair}, key=lambda name: (name in (OTHER, MISSING), name))
        return classes, [[pairs.get((one, other), 0) for other in classes] for one in classes]


def _alike(counted: pa.Table) -> int:
    """Rows whose two classes are the same, or both missing."""
    import pyarrow.compute as pc

    one, other = counted.column("champion"), counted.column("challenger")
    alike = pc.or_(pc.fill_null(pc.equal(one, other), fill_value=False), pc.and_(one.is_null(), other.is_null()))
    return int(pc.sum(pc.if_else(alike, counted.column("count_all"), 0)).as_py() or 0)


def _named(value: object) -> str:
    return MISSING if value is None else str(value)


def _of_most(pairs: Counter[tuple[str, str]], most: int) -> dict[tuple[str, str], int]:
    """The same counts with at most so many classes, and `OTHER` for the rarer ones."""
    rows: Counter[str] = Counter()
    for (one, other), count in pairs.items():
        rows[one] += count
        rows[other] += count
    del rows[OTHER]
    if len(rows) <= most:
        return dict(pairs)
    kept = {name for name, _ in sorted(rows.items(), key=lambda item: (-item[1], item[0]))[:most]}
    merged: Counter[tuple[str, str]] = Counter()
    for (one, other), count in pairs.items():
        merged[one if one in kept else OTHER, other if other in kept else OTHER] += count
    return dict(merged)
