"""The example pipelines, and what some need before they can run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

JAVA = "Java 17 or newer, for Spark: sudo apt-get install openjdk-17-jre-headless"


@dataclass(frozen=True)
class Example:
    """What ``make demo DAG=<name>`` runs, and ``make up`` lists.

    Attributes:
        dags: those that it consists of; the first one is triggered first.
        conf: to trigger it with, in addition to the defaults of its parameters.
        after: the example that must have run before.
        program: that must be in the path.
        needs: how to get it.
    """

    dags: Sequence[str]
    conf: Mapping[str, Any] = field(default_factory=dict)
    after: str | None = None
    program: str | None = None
    needs: str = ""

    @property
    def lacks(self) -> str:
        """What is missing on this machine and how to get it; empty if nothing is."""
        return self.needs if self.program and not shutil.which(self.program) else ""


EXAMPLES: dict[str, Example] = {
    "wta_batch_scoring": Example(["wta_batch_scoring"]),
    "wta_yearly_scoring": Example(["wta_yearly_scoring"], {"year": 2014}, after="wta_batch_scoring"),
    "hazard_regression": Example(["hazard_regression"]),
    "hazard_spark": Example(["hazard_spark"], program="java", needs=JAVA),
    "sensor_anomaly": Example(["sensor_anomaly"], {"sensors": 200, "day": "2026-01-02"}),
    "purchase_likelihood": Example(["purchase_likelihood"]),
    "normalise_words": Example(["normalise_words"]),
    "model_decay": Example(["decay_start", "decay_watch", "decay_retrain"]),
}
