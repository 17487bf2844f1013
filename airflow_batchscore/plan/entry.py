"""`PlanEntry`: what one scoring task does, as the plan passes it through XCom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.data.schema_version import require_schema
from airflow_batchscore.plan.models import Models, NoModel, models_from_dict

#: Incremented when the fields of an entry change.
SCHEMA = 3


@dataclass(frozen=True)
class PlanEntry:
    """Partitions that one task scores.

    Attributes:
        label: names the task in the UI.
        partitions: field values of each.
        files: number of files of each.
        bytes: total size of their files.
        models: what their rows are scored with, unless the scoring task applies a function.
        resources: the kind of worker that they need; None if unspecified.
        tasks: number of entries in the plan with the same resources.
        index: of the entry in its plan.
        count: number of entries in the plan.
        generation: when it was planned, in ns since 1970; of two publications the later one is newer.
        dataset: URI of what was planned, with its templates rendered.
        version: of the table that was planned (see `Snapshot.pinned`), so that all tasks read the same; empty if the
            dataset is no table.
        inputs: digest of the files that partitions divide, so that all tasks read the same (`inputs_of`); empty if each
            has files of its own, or for a table.
        notices: in sentences, what people should look at in the partitions although they are planned.
    """

    label: str
    partitions: Sequence[Values]
    files: Sequence[int]
    bytes: int
    models: Models | NoModel
    resources: str | None
    tasks: int
    index: int
    count: int
    generation: int
    dataset: str
    notices: Sequence[str] = ()
    version: str = ""
    inputs: str = ""

    @cached_property
    def keys(self) -> list[str]:
        """Of its partitions."""
        return [partition_key(values) for values in self.partitions]

    @property
    def files_of(self) -> dict[str, int]:
        """Partition key -> number of files when it was planned."""
        return dict(zip(self.keys, self.files, strict=True))

    def to_dict(self) -> JsonObject:
        """Plain JSON."""
        return {
            "schema": SCHEMA,
            "label": self.label,
            "partitions": [dict(values) for values in self.partitions],
            "files": list(self.files),
            "bytes": self.bytes,
            "models": self.models.to_dict(),
            "resources": self.resources,
            "tasks": self.tasks,
            "index": self.index,
            "count": self.count,
            "generation": self.generation,
            "dataset": self.dataset,
            **({"notices": list(self.notices)} if self.notices else {}),
            **({"version": self.version} if self.version else {}),
            **({"inputs": self.inputs} if self.inputs else {}),
        }

    @classmethod
    def from_dict(cls, value: JsonMapping) -> PlanEntry:
        """Raises InputError for an entry from another version of this package."""
        require_schema(
            value, SCHEMA, "the plan was made", "clear the plan task, so that this version plans the run again"
        )
        fields = {name: item for name, item in value.items() if name in cls.__dataclass_fields__}
        notices = tuple(value.get("notices", ()))
        return cls(**{**fields, "models": models_from_dict(value["models"]), "notices": notices})
