"""The identity of a partition's scores: the inputs determine it, never when or how often they were run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from airflow_batchscore.data.dataset import Fingerprint, PartitionedDataset

#: Incremented when the meaning or the bytes of the output change, so that old results are not taken for new ones.
OUTPUT_VERSION = 3


def score_identity(
    dataset: PartitionedDataset,
    fingerprint: Fingerprint,
    *,
    scorer: Sequence[object],
    columns: Sequence[Mapping[str, str | None]],
    keys: Sequence[str],
    accepted: Sequence[str] = (),
) -> str:
    """Hash of the input's bytes, how they are read, what is done to them (`ScorerSpec.identity`) and the keys.

    Args:
        columns: what is read, with types: by the scorer, and to keep with the scores.
        accepted: what is otherwise an error (``"allow_nan"``), so that a stricter run never uses such scores.
    """
    inputs = [
        OUTPUT_VERSION,
        fingerprint.digest,
        dataset.reading,
        list(scorer),
        [list(types.items()) for types in columns],
        list(keys),
        list(accepted),
    ]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
