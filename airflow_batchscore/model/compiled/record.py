"""What ``model.json`` says of a compiled model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_batchscore.data.json_types import JsonMapping

ENGINE = "onedal"


@dataclass(frozen=True, kw_only=True)
class CompiledRecord:
    """A compiled model, in a file beside the estimator's.

    Attributes:
        engine: what predicts.
        file, digest: name of the file, and the SHA-256 of its bytes.
        methods: those that are compiled; the estimator's library does the others.
        libraries: versions that it was compiled with.
        rows: that were compared with the library's results, some of them more than once. Rows that the library refuses
            are not counted. A classifier gave the library's labels for all of them.
        difference: the largest of a number, for those rows.
    """

    engine: str
    file: str
    digest: str
    methods: Sequence[str]
    libraries: Mapping[str, str]
    rows: int
    difference: float

    @property
    def name(self) -> str:
        """What scores are made with, for identities and manifests."""
        return f"{self.engine}:{self.digest}"


def name_in(manifest: JsonMapping) -> str | None:
    """`CompiledRecord.name` of what ``model.json`` says, None if nothing is compiled."""
    value = manifest.get("compiled")
    return f"{value.get('engine')}:{value.get('digest')}" if isinstance(value, dict) else None
