"""The manifests of a partition's scores. One is written last: its presence is the commit.

A manifest never changes. ``<identity>/manifests/000001.json`` is the first, `force` and replays write the next number,
and the highest number counts. So what an audit looked at is what is published, whatever is committed meanwhile, and a
scorer that slept finds a number taken that it did not see when it began.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from airflow_batchscore.data import storage
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import InputError, ScoringError
from airflow_batchscore.model.choice import SKIPPED
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.profile import Counts, Expected, merge

FORMAT = 3

_FOLDER = "manifests"
_NAME = re.compile(r"(\d{6,})\.json")


@dataclass(frozen=True)
class BlockResult:
    """What a scored block sends back and keeps in the footer of its part. Small: counts only.

    Attributes:
        part: file name of the scores, in the identity's folder.
        quarantine: file name of the block's quarantined rows, None when there are none.
        bytes, rows: of the part. A function may make more or fewer rows than it was given.
        features, predictions: counts of the profile. Where each row has a model of its own, bins of different models
            are added up by their position.
        expected_features, expected_predictions: there, what these would be if all rows fell into the bins of their
            models as the training data did.
        inputs: digest of the fingerprint of the bytes that it was made from.
        uncovered: what rows had no model of their own (``"sensor_id=17: missing, skipped"``), and how many there were.
        padded: rows of CSV whose last cells were left off and were taken as empty (``pad_short_rows``).
    """

    index: int
    part: str
    quarantine: str | None
    bytes: int
    account: Account
    features: Counts
    predictions: Counts
    rows: int
    inputs: str
    uncovered: dict[str, int] = field(default_factory=dict)
    expected_features: Expected = field(default_factory=dict)
    expected_predictions: Expected = field(default_factory=dict)
    padded: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> BlockResult:
        return cls(**{**value, "account": Account.from_dict(value["account"])})


@dataclass(frozen=True)
class Manifest:
    """A committed partition.

    Attributes:
        uri: where this manifest lies, ``<folder>/manifests/<number>.json``; its parts lie in `folder`.
        digest: SHA-256 of its bytes; empty before it is committed.
        partition: field values.
        identity: see `score_identity`.
        token: names the run that forced this scoring; None for one that may be reused by all.
        model: pinned reference and version of the model; None where a function was applied, or models by a column.
        outputs: output column -> method and column of the model's signature that it comes from.
        choice: how the model was chosen, where each partition has its own: see `Chosen`.
        layout: digest of how the files were cut into `blocks`; only blocks of the same cut go together.
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
    layout: str
    token: str | None = None
    replays: int = 0
    outputs: dict[str, list[str]] = field(default_factory=dict)
    choice: dict[str, Any] | None = None
    conn_id: str | None = None
    format: int = FORMAT
    account: Account = field(default_factory=Account)
    digest: str = ""

    @property
    def key(self) -> str:
        return partition_key(self.partition)

    @property
    def folder(self) -> str:
        """The identity's folder, where parts lie."""
        return storage.parent(storage.parent(self.uri))

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

    def expected(self) -> tuple[Expected, Expected]:
        """What `profiles` would be without drift, where each row has a model of its own; empty where one has all."""
        features: Expected = {}
        predictions: Expected = {}
        for block in self.blocks:
            features = merge(features, block.expected_features)
            predictions = merge(predictions, block.expected_predictions)
        return features, predictions

    @property
    def rows_without_model(self) -> int:
        """Rows that were skipped on purpose, because a `ModelPolicy` says so of rows without a usable model."""
        return sum(rows for what, rows in self.uncovered.items() if what.endswith(SKIPPED))

    def short(self, *, reused: bool) -> dict[str, Any]:
        """What goes through XCom: where to look, which bytes must be there, and counts for people."""
        return {
            "partition": self.partition,
            "manifest": self.uri,
            "digest": self.digest,
            "reused": reused,
            **self.account.to_dict(),
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows_per_second),
        }

    def commit(self) -> Manifest | None:
        """Write the manifest, unless there is one of its number; then None. Of several at once one wins.

        Raises ScoringError when the account is not the sum of the blocks.
        """
        total = sum((block.account for block in self.blocks), Account()).check(f"partition {self.key}")
        if total != self.account:
            raise ScoringError(f"partition {self.key}: the manifest's account is not the sum of its blocks")
        data = storage.json_bytes({name: value for name, value in asdict(self).items() if name != "digest"})
        written = replace(self, digest=hashlib.sha256(data).hexdigest())
        if storage.create_bytes(self.uri, data, self.conn_id):
            return written
        # A request whose answer was lost is sent again, and then finds what it wrote itself.
        return written if _read(self.uri, self.conn_id) == data else None

    @classmethod
    def read(cls, uri: str, conn_id: str | None = None) -> Manifest | None:
        """The manifest at `uri`, None where there is none.

        Raises:
            InputError: it is not a manifest of this format, or its counts do not add up.
        """
        data = _read(uri, conn_id)
        if data is None:
            return None
        value = storage.parse_json(uri, data)
        if value.get("format") != FORMAT:
            raise InputError(f"{uri} has format {value.get('format')!r}, this version reads {FORMAT}; {_SCORE_AGAIN}")
        try:
            blocks = [BlockResult.from_dict(block) for block in value["blocks"]]
            manifest = cls(
                **{
                    **value,
                    "uri": uri,
                    "conn_id": conn_id,
                    "blocks": blocks,
                    "account": Account.from_dict(value["account"]),
                    "digest": hashlib.sha256(data).hexdigest(),
                }
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"{uri} is not a whole manifest ({error}); {_SCORE_AGAIN}") from error
        total = sum((block.account for block in blocks), Account())
        if total != manifest.account:
            raise InputError(
                f"{uri}: the blocks' counts do not add up to the partition's; the file was altered; {_SCORE_AGAIN}"
            )
        manifest.account.check(f"partition {manifest.key} ({uri})")
        return manifest


_SCORE_AGAIN = "score the partition again with force in a new run"


def _read(uri: str, conn_id: str | None) -> bytes | None:
    try:
        return storage.read_bytes(uri, conn_id)
    except FileNotFoundError:
        return None


def manifest_uri(folder: str, number: int) -> str:
    """Where the manifest of that number lies, below an identity's folder."""
    return storage.join(folder, _FOLDER, f"{number:06d}.json")


def newest_number(folder: str, conn_id: str | None = None) -> int:
    """The number of the manifest that counts, by one small listing; 0 where the identity is not committed."""
    names = (file.uri.rpartition("/")[2] for file in storage.list_files(storage.join(folder, _FOLDER), conn_id))
    return max((int(match[1]) for match in map(_NAME.fullmatch, names) if match), default=0)
