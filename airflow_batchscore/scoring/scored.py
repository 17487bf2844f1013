"""`ScoredTask`: what a scoring task returns through XCom, with a `ScoredPartition` for each partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.data.schema_version import require_schema
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.manifest import Manifest

#: Incremented when the fields of a task's or a partition's entry change.
SCHEMA = 1


@dataclass(frozen=True)
class ScoredPartition:
    """Where to look, which bytes to expect, and counts for people.

    Attributes:
        manifest: URI of the manifest.
        digest: of the manifest's bytes.
        run: ``<dag_id>/<run_id>``.
        generation: of the plan, see `PlanEntry`.
        reused: whether it was already committed.
        seconds: scoring time.
        blocks: of the partition; 0 if an earlier version of this package returned it.
    """

    partition: Values
    manifest: str
    digest: str
    run: str
    generation: int
    reused: bool
    account: Account
    seconds: float
    rows_per_second: int
    blocks: int = 0

    @classmethod
    def of(cls, manifest: Manifest, *, reused: bool, run: str, generation: int) -> ScoredPartition:
        """The entry for a committed partition."""
        return cls(
            partition=manifest.partition,
            manifest=manifest.uri,
            digest=manifest.digest,
            run=run,
            generation=generation,
            reused=reused,
            account=manifest.account,
            seconds=round(manifest.seconds, 3),
            rows_per_second=round(manifest.rows_per_second),
            blocks=len(manifest.blocks),
        )

    @cached_property
    def key(self) -> str:
        """The partition's name."""
        return partition_key(self.partition)

    @property
    def own_rows(self) -> int:
        """Rows that the task read itself: neither reused nor found again after an earlier try."""
        return 0 if self.reused else min(self.account.rows_read, round(self.rows_per_second * self.seconds))

    def to_dict(self) -> JsonObject:
        """Plain JSON, including the counts."""
        return {
            "partition": dict(self.partition),
            "manifest": self.manifest,
            "digest": self.digest,
            "run": self.run,
            "generation": self.generation,
            "reused": self.reused,
            **self.account.to_dict(),
            "seconds": self.seconds,
            "rows_per_second": self.rows_per_second,
            "blocks": self.blocks,
        }

    @classmethod
    def from_dict(cls, value: JsonMapping) -> ScoredPartition:
        """The inverse of `to_dict`."""
        fields = {name: value[name] for name in cls.__dataclass_fields__ if name not in ("account", "blocks")}
        return cls(**fields, account=Account.from_dict(value), blocks=value.get("blocks", 0))


@dataclass(frozen=True)
class Challenge:
    """What a challenger scored of a task's partitions.

    Attributes:
        failed: partition key -> why it has no scores.
    """

    model: ModelRef
    partitions: Sequence[ScoredPartition]
    failed: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        manifests = [partition.to_dict() for partition in self.partitions]
        return {
            "model": self.model.to_dict(),
            "manifests": manifests,
            "failed": [[*each] for each in self.failed.items()],
        }

    @classmethod
    def from_dict(cls, value: JsonMapping | None) -> Challenge | None:
        """The inverse of `to_dict`; None for a task without a challenger."""
        if value is None:
            return None
        manifests = [ScoredPartition.from_dict(each) for each in value["manifests"]]
        return cls(ModelRef.from_dict(value["model"]), manifests, dict(value["failed"]))


@dataclass(frozen=True)
class ScoredTask:
    """The partitions of one scoring task.

    Attributes:
        label: names the task in the UI.
        conn_id: Airflow connection of the manifests' storage, as the DAG names it.
        challenge: of the challenger, which is never published; None if the run has none.
    """

    label: str
    partitions: Sequence[ScoredPartition]
    conn_id: str | None = None
    challenge: Challenge | None = None

    @cached_property
    def account(self) -> Account:
        """Rows of all of them."""
        return sum((partition.account for partition in self.partitions), Account())

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        challenge = {"challenge": self.challenge.to_dict()} if self.challenge else {}
        return {
            "schema": SCHEMA,
            "label": self.label,
            "conn_id": self.conn_id,
            "manifests": [partition.to_dict() for partition in self.partitions],
            **challenge,
        }

    @classmethod
    def from_dict(cls, value: JsonMapping) -> ScoredTask:
        """Raises InputError for what another version of this package returned."""
        require_schema(
            value,
            SCHEMA,
            f"the scores of {value.get('label')} were passed on",
            "clear the scoring task; partitions that are committed are not scored again",
        )
        manifests = [ScoredPartition.from_dict(each) for each in value["manifests"]]
        return cls(value["label"], manifests, value.get("conn_id"), Challenge.from_dict(value.get("challenge")))
