"""`ColumnLimits`: what a gate allows of each column, from a number or from a mapping of columns to numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from airflow_batchscore.errors import GateError, listed

#: In a mapping, what is allowed of the columns that it does not name.
OTHERS = "*"


@dataclass(frozen=True)
class ColumnLimits:
    """Limits of columns.

    Attributes:
        argument: of the gate, for messages.
        others: limit of every column that has none of its own; None does not limit them.
        own: column -> limit.
    """

    argument: str
    others: float | None
    own: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, argument: str, value: object, most: float = math.inf) -> ColumnLimits:
        """What a user gave: a number or its text, for all columns; or a mapping, whose ``"*"`` is for the others.

        Args:
            most: no limit can be more: 1 for shares.

        Raises:
            GateError: it is neither, or a number cannot be a limit.
        """
        if not isinstance(value, Mapping):
            return cls(argument, _limit(argument, value, most))
        if not value:
            raise GateError(f"{argument}={{}} names no column: give each its limit, or None to measure nothing")
        limits = {str(name): _limit(f"{argument}[{name!r}]", limit, most) for name, limit in value.items()}
        return cls(argument, limits.pop(OTHERS, None), limits)

    def allowed(self, column: str) -> float | None:
        """None if there is no limit."""
        return self.own.get(column, self.others)

    def limited(self, columns: Iterable[str]) -> list[str]:
        """The columns that have a limit."""
        return [column for column in columns if self.allowed(column) is not None]

    def require_known(self, columns: Set[str], what: str) -> None:
        """Raises GateError if a column with a limit of its own is not among `columns`: its limit would never count."""
        unknown = sorted(set(self.own) - columns)
        if unknown:
            raise GateError(
                f"{self.argument} names {listed(unknown)}, not among {what}: "
                f"{listed(sorted(columns)) or 'there are none'}. Correct the name"
            )

    def worst(self, values: Mapping[str, float]) -> tuple[str, float] | None:
        """The column that is furthest above its limit, or nearest to it; None if none has a limit."""
        limited = self.limited(values)
        return max(((name, values[name]) for name in limited), key=self._excess) if limited else None

    def exceeds(self, column: str, value: float) -> bool:
        """Whether the value is over the column's limit."""
        return self._excess((column, value)) > 0

    def _excess(self, item: tuple[str, float]) -> float:
        allowed = self.allowed(item[0])
        return -math.inf if allowed is None else item[1] - allowed

    def __str__(self) -> str:
        own = [f"{column} {limit:g}" for column, limit in self.own.items()]
        others = [] if self.others is None else [f"others {self.others:g}" if own else f"{self.others:g}"]
        return listed([*own, *others])


def _limit(argument: str, value: object, most: float) -> float:
    try:
        limit = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        limit = math.nan
    if isinstance(value, bool) or not 0 <= limit < math.inf or limit > most:
        shares, numbers = "a share from 0 to 1 such as 0.01", "a number such as 0.25, or None to measure no drift"
        raise GateError(f"{argument}={value!r} is no limit: give {shares if most == 1 else numbers}")
    return limit
