"""What of a request exists in storage."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from airflow_batchscore.data import storage
from airflow_batchscore.data.partition import Partition
from airflow_batchscore.data.pattern import Values, partition_key
from airflow_batchscore.data.request import Request
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, listed


def found(request: Request, partitions: Sequence[Partition]) -> tuple[list[Partition], list[Values], list[str]]:
    """What is asked for and exists, what does not exist, and the filters that nothing passes."""
    by_key = {partition.key: partition for partition in partitions}
    asked = request.asked([partition.values for partition in partitions])
    if asked.wanted is None:
        return list(partitions), [], []
    existing = [by_key[partition_key(values)] for values in asked.wanted if partition_key(values) in by_key]
    missing = [values for values in asked.wanted if partition_key(values) not in by_key]
    return existing, missing, asked.unmatched


def why_nothing(uri: str, conn_id: str | None) -> str:
    """Why a dataset has no file."""
    if not re.search(r"[*{]|/$", uri) and storage.list_files(Location(uri, conn_id), recursive=True):
        return f"{uri} is a folder: write {uri}/ to read all of its files, or say which kind of table it holds"
    return f"no file matches {uri}: check the URI and the connection"


def require_as_seen(
    seen: Mapping[str, tuple[int, int]], existing: Sequence[Partition], missing: Sequence[Values], folder: str
) -> None:
    """Raises InputError if a partition has fewer files or bytes than the sensor saw.

    Args:
        seen: partition key -> number of files, and their bytes.
        folder: for the message.
    """
    lost = [f"{key} is gone" for key in map(partition_key, missing) if key in seen]
    for partition in existing:
        files, size = seen.get(partition.key, (0, 0))
        if len(partition.files) < files or partition.stored < size:
            lost.append(
                f"{partition.key} has {len(partition.files)} files of {partition.stored} bytes in all, not {files} "
                f"of {size}"
            )
    if lost:
        raise InputError(
            f"deleted or cut off after the sensor saw it: {listed(lost, '; ')} (in {folder}). "
            "Bring the data back, or clear the sensor's task to look again"
        )
