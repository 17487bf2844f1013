"""The identity of a partition's scores: what goes in decides it, never when or how often it was run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from airflow_batchscore.data.dataset import Fingerprint, PartitionedDataset

#: Raised when the meaning or the bytes of what is written change, so that old results are not taken for new ones.
OUTPUT_VERSION = 1


def score_identity(
    dataset: PartitionedDataset,
    fingerprint: Fingerprint,
    *,
    model_digest: str,
    recipe_digest: str,
    method: str,
    keys: Sequence[str],
    outputs: Sequence[str] | None,
) -> str:
    """Hash of the input's bytes, how they are read, the model, the recipe's code and the output's shape."""
    inputs = [
        OUTPUT_VERSION,
        fingerprint.digest,
        dataset.format,
        sorted((name, str(value)) for name, value in dataset.read_options.items()),
        model_digest,
        recipe_digest,
        method,
        list(keys),
        outputs and list(outputs),
    ]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
