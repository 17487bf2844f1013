"""What a run was predicted to take, beside what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_batchscore.data.amounts import in_bytes, in_words
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.plan.estimate import Estimate
from airflow_batchscore.scoring.manifest import Manifest


@dataclass(frozen=True)
class Estimated:
    """An estimate and the truth.

    Attributes:
        seconds: from the first partition's beginning to the last one's commit, to the second; None if all were reused.
    """

    estimate: Estimate
    seconds: float | None

    @classmethod
    def of(cls, estimate: Estimate, manifests: Sequence[Manifest], reused: Mapping[str, bool]) -> Estimated:
        """What the manifests say of the time that their partitions took.

        Args:
            reused: partition key -> whether its scores were committed before this run.
        """
        new = [manifest for manifest in manifests if not reused.get(manifest.key)]
        began = [datetime.fromisoformat(manifest.started).timestamp() for manifest in new]
        ended = [_ended(manifest) for manifest in new]
        return cls(estimate, round(max(ended) - min(began), 3) if new else None)

    def to_dict(self) -> JsonObject:
        """Plain JSON, with both in words."""
        return {**self.estimate.to_dict(), "took_seconds": self.seconds, "said": self.said}

    @property
    def said(self) -> str:
        """Such as ``estimated 12 min, 3.1 GB, cost 0.85; took 11 min``."""
        told = [in_words(self.estimate.seconds)]
        if self.estimate.peak_memory is not None:
            told.append(in_bytes(self.estimate.peak_memory))
        if self.estimate.cost is not None:
            told.append(f"cost {self.estimate.cost:.2f}")
        took = "all partitions were reused" if self.seconds is None else f"took {in_words(self.seconds)}"
        return f"estimated {', '.join(told)}; {took}"


def _ended(manifest: Manifest) -> float:
    """When it was committed. Its own seconds end sooner, where partitions were scored side by side."""
    if manifest.ended:
        return datetime.fromisoformat(manifest.ended).timestamp()
    return datetime.fromisoformat(manifest.started).timestamp() + manifest.seconds
