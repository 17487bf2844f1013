"""`Check`: one thing that a gate looked at, for people: its table in the log, the run's page and the verdict."""

from __future__ import annotations

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
