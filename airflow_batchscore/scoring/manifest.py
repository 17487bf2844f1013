"""The manifest of a partition's scores. It is written last: its presence is the commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import InputError, ScoringError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.profile import Counts, merge

FORMAT = 2


@dataclass(frozen=True)
class BlockResult:
    """What a scored block sends back and keeps in the footer of its part. Small: counts only.

    Attributes:
        part: file name of the scores, beside the manifest.
        quarantine: file name of the block's quarantined rows, None when there are none.
        bytes, rows: of the part. A function may make more or fewer rows than it was given.
        features, predictions: counts of the profile.
        uncovered: what rows had no model of their own (``"sensor_id=17: missing, skipped"``), and how many there were.
    """

    index: int
    part: str
    quarantine: str | None
    bytes: int
    account: Account
    features: Counts
    predictions: Counts
    rows: int
    uncovered: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> BlockResult:
        return cls(**{**value, "account": Account.from_dict(value["account"])})


@dataclass(frozen=True)
class Manifest:
    """A committed partition.

    Attributes:
        uri: where this manifest lies; its parts lie beside it.
        partition: field values.
        identity: see `score_identity`.
        token: names the run that forced this scoring; None for one that may be reused by all.
        model: pinned reference and version of the model; None where a function was applied, or models by a column.
        outputs: output column -> method and column of the model's signature that it comes from.
        choice: how the model was chosen, where each partition has its own: see `Chosen`.
        replays: how often blocks with quarantined rows were scored again.
        schema: column -> Arrow type of the parts.
        seconds: wall time of the attempt that committed, and rows it scored itself (a resumed attempt scores fewer
            rows than the partition has).
    """

    uri: str
    partition: Values
    identity: str
    dataset: str
    files: list[dict[str, Any]]
    model: dict[str, Any] | None
    method: str
    keys: list[str]
    schema: dict[str, str]
    blocks: list[BlockResult]
    started: str
    seconds: float
    rows_this_attempt: int
    engine: dict[str, Any]
    version: str
    token: str | None = None
    replays: int = 0
    outputs: dict[str, list[str]] = field(default_factory=dict)
    choice: dict[str, Any] | None = None
    conn_id: str | None = None
    format: int = FORMAT
    account: Account = field(default_factory=Account)

    @property
    def key(self) -> str:
        return partition_key(self.partition)

    @property
    def folder(self) -> str:
        return storage.parent(self.uri)

    @property
    def rows_per_second(self) -> float:
        return self.rows_this_attempt / self.seconds if self.seconds > 0 else 0.0

    @property
    def is_function(self) -> bool:
        """Whether a function was applied, and no model; `method` is then its import path."""
        return ":" in self.method

    @property
    def rows(self) -> int:
        """Rows of the parts: those scored, or what a function made of them."""
        return sum(block.rows for block in self.blocks)

    @property
    def uncovered(self) -> dict[str, int]:
        """What rows had no model of their own, and how many; see `BlockResult`."""
        total: Counter[str] = Counter()
        for block in self.blocks:
            total.update(block.uncovered)
        return dict(total)

    def profiles(self) -> tuple[Counts, Counts]:
        """Counts of the features and of the predictions, over all blocks."""
        features: Counts = {}
        predictions: Counts = {}
        for block in self.blocks:
            features, predictions = merge(features, block.features), merge(predictions, block.predictions)
        return features, predictions

    def short(self, *, reused: bool) -> dict[str, Any]:
        """What goes through XCom: where to look, and counts for people."""
        return {
            "partition": self.partition,
            "manifest": self.uri,
            "reused": reused,
            **self.account.to_dict(),
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows_per_second),
        }

    def write(self) -> None:
        """Commit. The account is checked once more, over the blocks."""
        total = sum((block.account for block in self.blocks), Account()).check(f"partition {self.key}")
        if total != self.account:
            raise ScoringError(f"partition {self.key}: the manifest's account is not the sum of its blocks")
        storage.write_json(self.uri, asdict(self), self.conn_id)

    @classmethod
    def read(cls, uri: str, conn_id: str | None = None) -> Manifest | None:
        """The manifest at `uri`, None where the partition is not committed.

        Raises:
            InputError: it is not a manifest of this format, or its counts do not add up.
        """
        value = storage.read_json(uri, conn_id)
        if value is None:
            return None
        if value.get("format") != FORMAT:
            raise InputError(f"{uri} has format {value.get('format')!r}, this version reads {FORMAT}; score it again")
        try:
            blocks = [BlockResult.from_dict(block) for block in value["blocks"]]
            manifest = cls(
                **{
                    **value,
                    "uri": uri,
                    "conn_id": conn_id,
                    "blocks": blocks,
                    "account": Account.from_dict(value["account"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{uri} is not a whole manifest ({error}); score the partition again with force"
            ) from error
        total = sum((block.account for block in blocks), Account())
        if total != manifest.account:
            raise InputError(f"{uri}: the blocks' counts do not add up to the partition's; the file was altered")
        manifest.account.check(f"partition {manifest.key} ({uri})")
        return manifest
