"""The account: every row read is scored, skipped or quarantined, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.errors import ScoringError


@dataclass(frozen=True)
class Account:
    """Row counts of a block, a partition or a run."""

    rows_read: int = 0
    rows_scored: int = 0
    rows_skipped: int = 0
    rows_quarantined: int = 0

    def __add__(self, other: Account) -> Account:
        return Account(*(a + b for a, b in zip(self.astuple(), other.astuple(), strict=True)))

    def astuple(self) -> tuple[int, int, int, int]:
        return self.rows_read, self.rows_scored, self.rows_skipped, self.rows_quarantined

    def to_dict(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: JsonMapping) -> Account:
        return cls(value["rows_read"], value["rows_scored"], value["rows_skipped"], value["rows_quarantined"])

    @property
    def adds_up(self) -> bool:
        """Whether read = scored + skipped + quarantined."""
        accounted = self.rows_scored + self.rows_skipped + self.rows_quarantined
        return self.rows_read == accounted and min(self.astuple()) >= 0

    def check(self, what: str) -> Account:
        """Raise ScoringError unless it `adds_up`."""
        if not self.adds_up:
            raise ScoringError(
                f"{what}: the account is off, {self.rows_read} rows read but {self.rows_scored} scored + "
                f"{self.rows_skipped} skipped + {self.rows_quarantined} quarantined. Nothing was committed; this is "
                "a defect of airflow_batchscore, please report it with the log"
            )
        return self
