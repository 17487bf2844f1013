"""The example pipelines, and what some need before they can run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_JAVA = 17


@dataclass(frozen=True)
class Example:
    """What ``make demo DAG=<name>`` runs, and ``make up`` lists.

    Attributes:
        dags: those that it consists of; the first one is triggered first.
        conf: to trigger it with, in addition to the defaults of its parameters.
        after: the example that must have run before.
        on_spark: whether it needs Java.
    """

    dags: Sequence[str]
    conf: Mapping[str, Any] = field(default_factory=dict)
    after: str | None = None
    on_spark: bool = False

    @property
    def lacks(self) -> str:
        """What is missing on this machine and how to get it; empty if nothing is."""
        if not self.on_spark or (found := _java()) >= _JAVA:
            return ""
        here = f" (there is {found})" if found else ""
        return f"Java {_JAVA} or newer{here}, for Spark: sudo apt-get install openjdk-17-jre-headless"


def _java() -> int:
    """Major version of the Java that Spark would take; 0 if there is none."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin" if home else None)
    if program is None:
        return 0
    said = subprocess.run([program, "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0


EXAMPLES: dict[str, Example] = {
    "wta_batch_scoring": Example(["wta_batch_scoring"]),
    "wta_yearly_scoring": Example(["wta_yearly_scoring"], {"year": 2014}, after="wta_batch_scoring"),
    "wta_partitioned_assets": Example(["wta_arrivals", "wta_score_year", "wta_full_set"], after="wta_batch_scoring"),
    "hazard_regression": Example(["hazard_regression"]),
    "hazard_spark": Example(["hazard_spark"], on_spark=True),
    "sensor_anomaly": Example(["sensor_anomaly"], {"sensors": 200, "day": "2026-01-02"}),
    "purchase_likelihood": Example(["purchase_likelihood"]),
    "normalise_words": Example(["normalise_words"]),
    "champion_challenger": Example(["champion_challenger"]),
    "model_decay": Example(["decay_start", "decay_watch", "decay_retrain"]),
}
