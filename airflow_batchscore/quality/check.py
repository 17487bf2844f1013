"""`Check`: one thing that a gate looked at, for people: its table in the log, the run's page and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from airflow_batchscore.data.json_types import JsonMapping, JsonObject


@dataclass(frozen=True)
class Check:
    """One thing that a gate looked at.

    Attributes:
        what: such as ``"rows in quarantine"``.
        found: what there was, as text; ``"-"`` if nothing was measured.
        allowed: the limit, as text; ``"-"`` if there is none.
        problem: in a sentence, what is wrong, where, and what to do next; None if it passed.
    """

    what: str
    found: str
    allowed: str
    problem: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Check:
        """The inverse of `to_dict`."""
        return cls(value["what"], value["found"], value["allowed"], value.get("problem"))


def problems_of(checks: Sequence[Check]) -> list[str]:
    """What is wrong, in the order of the checks."""
    return [check.problem for check in checks if check.problem is not None]


def as_lines(problems: Sequence[str]) -> str:
    """Problems for the end of a message: one after a colon, several on a line each."""
    if len(problems) == 1:
        return f": {problems[0]}"
    return "".join([f", {len(problems)} problems:", *(f"\n- {problem}" for problem in problems)])


def table(checks: Sequence[Check]) -> str:
    """The checks as aligned text, then the problems as sentences."""
    rows = [("checked", "found", "allowed", "")]
    rows += [(check.what, check.found, check.allowed, "ok" if check.passed else "PROBLEM") for check in checks]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *problems_of(checks)])
