"""Stamps: what is published says of each partition where it comes from.

A Parquet file carries its statement in the footer, so that the two cannot come apart. A CSV file has no
room for one; see `csv_file`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from airflow_batchscore.data.parquet_footer import read_footer
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.errors import BatchScoreError
from airflow_batchscore.scoring.manifest import Manifest

FORMAT = 2
#: Name of the statement in a Parquet footer.
FOOTER_KEY = b"batchscore"


class ForeignFileError(BatchScoreError):
    """What lies at the output was not published by this package."""


@dataclass(frozen=True)
class Publication:
    """What a run wants published, besides its scores.

    Attributes:
        run: ``"<dag_id>/<run_id>"``.
        generations: partition key -> order number of the plan that scored it; a partition that is not named has 0,
            older than any plan.
        replace_all: a single file is made from scratch; partitions of it that the run did not score are dropped.
        republish: older scores may replace newer ones.
        allow_empty: a partition that has rows may be replaced by one without, and an output may have no rows at all.
        began: when this attempt to publish began, before it read what it publishes (ns since 1970): it orders the
            attempts of one plan. 0: when `combine` is called.
    """

    run: str = ""
    generations: Mapping[str, int] = field(default_factory=dict)
    replace_all: bool = False
    republish: bool = False
    allow_empty: bool = False
    began: int = 0


@dataclass(frozen=True)
class Stamp:
    """Where the published scores of a partition come from.

    Attributes:
        generation: order number of the publication; an older one does not replace a newer one.
        run: that published them.
        manifest: SHA-256 of the manifest's bytes. Equal ones mean equal scores.
        rows: published.
        model: version, or method where there is not one model.
        account: rows read, scored, skipped and quarantined.
        place: in a single file: its first row group or byte, and the one behind its last.
        began: see `Publication`. Of one generation, an attempt that began earlier does not replace a later one.
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

    @property
    def key(self) -> str:
        return partition_key(self.partition)

    @property
    def turn(self) -> tuple[int, int]:
        """Its place in the order of publications."""
        return self.generation, self.began

    @classmethod
    def of(cls, manifest: Manifest, publication: Publication) -> Stamp:
        """For scores that are about to be published."""
        return cls(
            partition=manifest.partition,
            generation=publication.generations.get(manifest.key, 0),
            run=publication.run,
            manifest=manifest.digest,
            rows=manifest.rows,
            model=str(manifest.model["version"] if manifest.model else manifest.method),
            account=manifest.account.to_dict(),
            began=publication.began,
        )

    def at(self, first: int, behind: int) -> Stamp:
        """The same at another place."""
        return replace(self, place=(first, behind))


@dataclass(frozen=True)
class Statement:
    """What a published file says of itself.

    Attributes:
        schema: column -> Arrow type, partition fields of a single file included.
        stamps: in the order of the partitions.
    """

    schema: dict[str, str]
    stamps: Sequence[Stamp]

    @property
    def by_key(self) -> dict[str, Stamp]:
        return {stamp.key: stamp for stamp in self.stamps}

    def to_bytes(self) -> bytes:
        value = {"format": FORMAT, "schema": self.schema, "partitions": [asdict(stamp) for stamp in self.stamps]}
        return json.dumps(value).encode()

    @classmethod
    def from_bytes(cls, data: bytes, uri: str) -> Statement:
        """Raises ForeignFileError when it is not one."""
        try:
            value = json.loads(data)
        except ValueError:
            value = None
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise ForeignFileError(f"what {uri} says of itself cannot be read by this version of the package")
        stamps = [Stamp(**{**stamp, "place": tuple(stamp["place"])}) for stamp in value["partitions"]]
        return cls(value["schema"], stamps)


def read_statement(uri: str, conn_id: str | None) -> Statement | None:
    """What a published Parquet file says of itself; None where there is no file.

    Raises:
        ForeignFileError: it is another file.
        DamagedParquetError: it is no whole Parquet file.
    """
    try:
        footer = read_footer(uri, conn_id)
    except FileNotFoundError:
        return None
    said = (footer.metadata or {}).get(FOOTER_KEY)
    if said is None:
        raise ForeignFileError(f"{uri} was not published by this package")
    return Statement.from_bytes(said, uri)
