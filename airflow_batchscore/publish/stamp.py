"""Stamps: published data records where each of its partitions comes from.

How an output keeps them is up to its target: a Parquet file in the footer, a CSV file beside itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.errors import BatchScoreError, OutputError
from airflow_batchscore.scoring.manifest import Manifest

FORMAT = 2


class ForeignFileError(BatchScoreError):
    """The file at the output was not published by this package."""


@dataclass(frozen=True)
class Publication:
    """How a run wants its scores published.

    Attributes:
        run: ``"<dag_id>/<run_id>"``.
        generations: partition key -> order number of the plan that scored it; an unnamed partition has 0, older than
            any plan.
        replace_all: a single file is rebuilt from scratch; partitions in it that the run did not score are dropped.
        republish: older scores may replace newer ones.
        allow_empty: a partition without rows may replace one with rows, and an output may have no rows at all.
        began: when this attempt to publish began, before it read what it publishes (ns since 1970): it orders the
            attempts of one plan. 0: when `combine` is called.
        field_types: partition field -> Arrow type of its column in the output, where the user declares it.
        engine: its workers write outputs of many files, such as a folder; None: this process does.
    """

    run: str = ""
    generations: Mapping[str, int] = field(default_factory=dict)
    replace_all: bool = False
    republish: bool = False
    allow_empty: bool = False
    began: int = 0
    engine: Engine | None = None
    field_types: Mapping[str, str] = field(default_factory=dict)

    def sent(self) -> Publication:
        """For a worker, which needs neither the engine nor every partition's number."""
        return replace(self, engine=None, generations={})


@dataclass(frozen=True)
class PartitionStamp:
    """Where the published scores of a partition come from.

    Attributes:
        generation: order number of the publication; an older one does not replace a newer one.
        run: that published them.
        manifest: SHA-256 of the manifest's bytes. Equal ones mean equal scores.
        rows: number published.
        model: version, or the method if there is not exactly one model.
        account: rows read, scored, skipped and quarantined.
        place: in a single file: its first row group or byte, and the one after its last.
        began: see `Publication`. Within a generation, an attempt that began earlier does not replace a later one.
        decoded: field -> value of its column, where it is not that of `partition`; see `Manifest.columns`.
    """

    partition: Values
    generation: int
    run: str
    manifest: str
    rows: int
    model: str
    account: dict[str, int]
    place: tuple[int, int] = (0, 0)
    began: int = 0
    decoded: Values = field(default_factory=dict)

    @property
    def key(self) -> str:
        return partition_key(self.partition)

    @property
    def columns(self) -> Values:
        """The values of the columns of its fields."""
        return {**self.partition, **self.decoded}

    @property
    def column_key(self) -> str:
        """The partition's name by its columns: that of its folder in an output, which readers decode once."""
        return partition_key(self.columns)

    @property
    def turn(self) -> tuple[int, int]:
        """Its position in the order of publications."""
        return self.generation, self.began

    @classmethod
    def of(cls, manifest: Manifest, publication: Publication) -> PartitionStamp:
        """For scores that are about to be published."""
        return cls(
            partition=manifest.partition,
            generation=publication.generations.get(manifest.key, 0),
            run=publication.run,
            manifest=manifest.digest,
            rows=manifest.rows,
            model=manifest.model.version if manifest.model else manifest.method,
            account=manifest.account.to_dict(),
            began=publication.began,
            decoded={name: text for name, text in manifest.columns.items() if text != manifest.partition[name]},
        )

    def at(self, first: int, behind: int) -> PartitionStamp:
        """The same stamp at another position."""
        return replace(self, place=(first, behind))

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        value = asdict(self)
        if not self.decoded:
            del value["decoded"]
        return value

    @classmethod
    def from_dict(cls, value: JsonMapping) -> PartitionStamp:
        """The inverse of `to_dict`."""
        first, behind = value["place"]
        return cls(**{**value, "place": (first, behind)})


@dataclass(frozen=True)
class Statement:
    """What a published file records about itself.

    Attributes:
        schema: column -> Arrow type, including partition fields of a single file.
        stamps: in the order of the partitions.
        groups: of a Parquet file, `parquet_groups.groups_digest`; empty if it is not known.
    """

    schema: dict[str, str]
    stamps: Sequence[PartitionStamp]
    groups: str = ""

    @cached_property
    def by_key(self) -> Mapping[str, PartitionStamp]:
        return {stamp.key: stamp for stamp in self.stamps}

    def to_bytes(self) -> bytes:
        stamps = [stamp.to_dict() for stamp in self.stamps]
        value = {"format": FORMAT, "schema": self.schema, "partitions": stamps, "groups": self.groups}
        return json.dumps(value).encode()

    @classmethod
    def from_bytes(cls, data: bytes, uri: str) -> Statement:
        """Raises ForeignFileError if `data` is not a statement."""
        try:
            value = json.loads(data)
            if value["format"] == FORMAT:
                stamps = [PartitionStamp.from_dict(stamp) for stamp in value["partitions"]]
                return cls(value["schema"], stamps, value.get("groups", ""))
        except (ValueError, TypeError, KeyError):  # no JSON, or JSON of another shape
            pass
        raise ForeignFileError(f"the record of what {uri} holds cannot be read by this version of the package")


def require_other_columns(stamps: Sequence[PartitionStamp], output: str) -> None:
    """Raises OutputError for partitions whose columns have the same values: tables and folders would mix them up."""
    keys: dict[str, str] = {}
    for stamp in stamps:
        other = keys.setdefault(stamp.column_key, stamp.key)
        if other != stamp.key:
            raise OutputError(
                f"not published: the partitions {other} and {stamp.key} have the same values in {output}: "
                "names of folders are decoded. Give both the same folder, or, if one of them is gone from the dataset, "
                "publish a run of all partitions to the table with replace_all=True, or delete its published folder"
            )
