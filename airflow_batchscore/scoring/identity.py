"""The identity of a partition's scores: what goes in decides it, never when or how often it was run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_batchscore.data.dataset import Fingerprint, PartitionedDataset

#: Raised when the meaning or the bytes of what is written change, so that old results are not taken for new ones.
OUTPUT_VERSION = 3


def score_identity(
    dataset: PartitionedDataset,
    fingerprint: Fingerprint,
    *,
    work: Sequence[Any],
    columns: Sequence[Mapping[str, str | None]],
    keys: Sequence[str],
    accepted: Sequence[str] = (),
) -> str:
    """Hash of the input's bytes, how they are read, what is done to them (`Work.identity`) and the keys.

    Args:
        columns: what is read, with types: for the work, and what goes with the scores.
        accepted: what is otherwise an error (``"allow_nan"``), so that a stricter run never uses such scores.
    """
    inputs = [
        OUTPUT_VERSION,
        fingerprint.digest,
        dataset.reading,
        list(work),
        [list(types.items()) for types in columns],
        list(keys),
        list(accepted),
    ]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
