"""The manifests of a partition's scores. A manifest is written last: its presence is the commit.

A manifest never changes. ``<identity>/manifests/000001.json`` is the first, `force` and replays write the next number,
and the highest number counts. So what an audit checked is what is published, whatever is committed meanwhile, and a
scorer that was suspended finds a number taken that it did not see when it began.

Who removes staged scores takes the next number, too; see `manifest_numbers.revoke`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache

from airflow_batchscore.data import storage
from airflow_batchscore.data.dataset import InputFile
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.pattern import UriPattern, Values, partition_key
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, ScoringError
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import SKIPPED, Chosen
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.beyond import Beyond
from airflow_batchscore.quality.profile import Counts, Expected, merge
from airflow_batchscore.scoring.manifest_numbers import REMOVED

FORMAT = 3


@dataclass(frozen=True)
class BlockResult:
    """What a scored block returns and stores in the footer of its part. Small: counts only.

    Attributes:
        part: file name of the scores, in the identity's folder.
        quarantine: file name of the block's quarantined rows, None if there are none.
        bytes, rows: of the part. A function may return more or fewer rows than it was given.
        features, predictions: counts of the profile. Where each row has its own model, bins of different models are
            added up by position.
        expected_features, expected_predictions: in that case, what these would be if all rows fell into the bins of
            their models as the training data did.
        inputs: digest of the fingerprint of the bytes that it was made from.
        uncovered: which rows had no model of their own (``"sensor_id=17: missing, skipped"``), and how many there were.
        padded: CSV rows with too few cells, whose missing last cells were taken as empty (``pad_short_rows``).
        others: rows of the block that are in other partitions of the file.
        left_out: hash of the positions of the rows that were not scored, so that parts of different models can be
            compared row by row; empty if all were, or in a part of an earlier version.
        footer: SHA-256 of the part's footer; empty if another attempt wrote the part.
        beyond: what the rows hold that the training rows did not; None if an earlier version of this package made the
            part.
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
    others: int = 0
    left_out: str = ""
    footer: str = ""
    beyond: Beyond | None = None

    def to_dict(self) -> JsonObject:
        beyond = self.beyond and self.beyond.to_dict()
        # `asdict` would copy every count.
        value = {**vars(self), "account": self.account.to_dict(), "beyond": beyond}
        for name in ("others", "left_out"):
            if not value[name]:
                del value[name]
        return value

    @classmethod
    def from_dict(cls, value: JsonMapping) -> BlockResult:
        account, beyond = Account.from_dict(value["account"]), value.get("beyond")
        return cls(**{**value, "account": account, "beyond": Beyond.from_dict(beyond) if beyond else None})


@lru_cache(maxsize=128)
def _template(uri: str) -> UriPattern:
    return UriPattern(uri)


@dataclass(frozen=True)
class Manifest:
    """A committed partition.

    Attributes:
        uri: of this manifest, ``<folder>/manifests/<number>.json``; its parts are in `folder`.
        digest: SHA-256 of its bytes; empty before it is committed.
        partition: field values.
        identity: see `score_identity`.
        token: names the run that forced this scoring; None for one that any run may reuse.
        files: of the partition, as they were read.
        model: None if a function was applied, or models by a column.
        method: for display; the import path of a function.
        outputs: output column -> method and column of the model's signature that it comes from.
        choice: how the model was chosen, if each partition has its own.
        engine: what it says of itself, for people: each engine has its own settings.
        layout: digest of how the files were cut into `blocks`; only blocks of the same layout go together.
        replays: how often blocks with quarantined rows were rescored.
        schema: column -> Arrow type of the parts.
        seconds: wall time of the attempt that committed, as far as it was spent on this partition and not on others
            beside it, and the rows it scored itself (a resumed attempt scores fewer rows than the partition has).
        ended: when it was committed, as `started` is when that attempt began; empty if an earlier version of this
            package committed it.
    """

    uri: str
    partition: Values
    identity: str
    dataset: str
    files: list[InputFile]
    model: ModelRef | None
    method: str
    keys: list[str]
    schema: dict[str, str]
    blocks: list[BlockResult]
    started: str
    seconds: float
    rows_this_attempt: int
    engine: JsonObject
    version: str
    layout: str
    token: str | None = None
    replays: int = 0
    outputs: dict[str, list[str]] = field(default_factory=dict)
    choice: Chosen | None = None
    conn_id: str | None = None
    ended: str = ""
    format: int = FORMAT
    account: Account = field(default_factory=Account)
    digest: str = ""

    @property
    def key(self) -> str:
        return partition_key(self.partition)

    @property
    def columns(self) -> Values:
        """The field values as columns have them, in recipes as in what is published."""
        return _template(self.dataset).columns(self.partition)

    @property
    def location(self) -> Location:
        return Location(self.uri, self.conn_id)

    @property
    def folder(self) -> Location:
        """The identity's folder, which holds the parts."""
        return self.location.parent.parent

    @property
    def rows_per_second(self) -> float:
        return self.rows_this_attempt / self.seconds if self.seconds > 0 else 0.0

    @property
    def is_function(self) -> bool:
        """Whether a function was applied instead of a model: `method` is then its import path, with a colon."""
        return ":" in self.method

    @property
    def rows(self) -> int:
        """Rows of the parts: those scored, or what a function returned for them."""
        return sum(block.rows for block in self.blocks)

    @property
    def uncovered(self) -> dict[str, int]:
        """Which rows had no model of their own, and how many; see `BlockResult`."""
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
        """What `profiles` would be without drift, if each row has its own model; empty if one model scores all."""
        features: Expected = {}
        predictions: Expected = {}
        for block in self.blocks:
            features = merge(features, block.expected_features)
            predictions = merge(predictions, block.expected_predictions)
        return features, predictions

    def beyond(self) -> Beyond | None:
        """What the rows hold that the training rows did not; None if an earlier version scored some of the blocks."""
        looked = [block.beyond for block in self.blocks if block.beyond is not None]
        return sum(looked, Beyond()) if len(looked) == len(self.blocks) else None

    @property
    def rows_without_model(self) -> int:
        """Rows skipped on purpose, because a `ModelPolicy` skips rows without a usable model."""
        return sum(rows for what, rows in self.uncovered.items() if what.endswith(SKIPPED))

    def to_dict(self) -> JsonObject:
        """The content of the file."""
        nested = {
            "files": [asdict(file) for file in self.files],
            "model": self.model and self.model.record(),
            "choice": self.choice and asdict(self.choice),
            "blocks": [block.to_dict() for block in self.blocks],
            "account": self.account.to_dict(),
        }
        return {name: nested.get(name, value) for name, value in vars(self).items() if name != "digest"}

    def commit(self) -> Manifest | None:
        """Write the manifest; returns None if its number is already taken. Of several concurrent writers one wins.

        Raises ScoringError if the account is not the sum of the blocks.
        """
        total = sum((block.account for block in self.blocks), Account()).check(f"partition {self.key}")
        if total != self.account:
            raise ScoringError(f"partition {self.key}: the manifest's account is not the sum of its blocks")
        data = storage.json_bytes(self.to_dict())
        written = replace(self, digest=hashlib.sha256(data).hexdigest())
        if storage.create_bytes(self.location, data):
            return written
        # A request whose response was lost is sent again, and then finds what it wrote itself.
        return written if _read(self.location) == data else None

    @classmethod
    def read(cls, location: Location) -> Manifest | None:
        """The manifest at `location`, None if there is none, or the note that its scores were removed.

        Raises:
            InputError: it is not a manifest of this format, or its counts do not add up.
        """
        uri, data = location.uri, _read(location)
        if data is None:
            return None
        value = storage.parse_json(uri, data)
        if value.get("format") == REMOVED:
            return None
        if value.get("format") != FORMAT:
            raise InputError(f"{uri} has format {value.get('format')!r}, this version reads {FORMAT}; {_SCORE_AGAIN}")
        try:
            blocks = [BlockResult.from_dict(block) for block in value["blocks"]]
            total = sum((block.account for block in blocks), Account())
            manifest = cls(
                **{
                    **value,
                    "uri": uri,
                    "conn_id": location.conn_id,
                    "files": [InputFile(**file) for file in value["files"]],
                    "model": ModelRef.from_dict(value["model"]) if value["model"] else None,
                    "choice": Chosen.from_dict(value["choice"]) if value["choice"] else None,
                    "blocks": blocks,
                    "account": Account.from_dict(value["account"]),
                    "digest": hashlib.sha256(data).hexdigest(),
                }
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"{uri} is not a whole manifest ({error}); {_SCORE_AGAIN}") from error
        if total != manifest.account or not total.adds_up:
            raise InputError(
                f"{uri}: the blocks' counts do not add up to the partition's; the file was altered; {_SCORE_AGAIN}"
            )
        return manifest


_SCORE_AGAIN = "score the partition again with force in a new run"


def _read(location: Location) -> bytes | None:
    try:
        return storage.read_bytes(location)
    except FileNotFoundError:
        return None
