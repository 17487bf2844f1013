"""The rows of a run that could not be scored, by reason and with examples, for its page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_batchscore.data import storage
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError
from airflow_batchscore.scoring.manifest import Manifest

MOST_FILES = 10
_MOST_EXAMPLES = 20
_MOST_REASONS = 50
#: A cell may be a document.
_MOST_TEXT = 300
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that could not be scored.

    Attributes:
        raw: column -> the cell's text.
    """

    partition: str
    file: str
    row: int
    error: str
    message: str
    raw: dict[str, str | None]

    def to_dict(self) -> JsonObject:
        """Plain JSON; long text is cut."""
        raw = {name: None if text is None else _cut(str(text)) for name, text in self.raw.items()}
        return {**vars(self), "message": _cut(self.message), "raw": raw}


def quarantine_files(manifests: Sequence[Manifest]) -> list[tuple[str, Location]]:
    """Partition key and location of each file of quarantined rows, below the folder of its manifest."""
    return [
        (manifest.key, manifest.folder / block.quarantine)
        for manifest in manifests
        for block in manifest.blocks
        if block.quarantine and _is_plain(block.quarantine)
    ]


def _is_plain(name: str) -> bool:
    """Whether a file's name stays in its folder."""
    try:
        require_plain(name, "quarantine")
    except InputError:
        return False
    return True


def read_rows(partition: str, location: Location) -> list[QuarantinedRow]:
    """The rows of one file.

    Raises:
        OSError: it is gone, too large, or storage failed.
        ValueError: it is not such a file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = storage.read_bytes(location, most=_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise OSError(f"{location} is larger than {_MOST_BYTES} bytes")
    columns = ["file", "row", "error", "message", "raw"]
    table = pq.read_table(pa.BufferReader(data), columns=columns).to_pylist()
    return [
        QuarantinedRow(partition, row["file"], row["row"], row["error"], row["message"], json.loads(row["raw"]))
        for row in table
    ]


def quarantine_view(files: Sequence[Sequence[QuarantinedRow]], rows: int, of_files: int) -> JsonObject:
    """``QuarantineView`` of the pages.

    Args:
        files: rows of each file that was read.
        rows, of_files: number of quarantined rows of the run, and of their files.
    """
    counts: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], dict[str, None]] = {}
    for each in (row for file in files for row in file):
        reason = each.error, _cut(each.message)
        counts[reason] += 1
        where.setdefault(reason, {})[each.partition] = None
    return {
        "rows": rows,
        "reasons": [
            {"error": error, "message": message, "rows": count, "partitions": list(where[error, message])}
            for (error, message), count in counts.most_common(_MOST_REASONS)
        ],
        "examples": [row.to_dict() for row in _spread(files)],
        "files_read": len(files),
        "files": of_files,
        "problem": None,
    }


def _spread(files: Sequence[Sequence[QuarantinedRow]]) -> list[QuarantinedRow]:
    """The first row of each reason, then others, of each file a few."""
    first = {(row.error, row.message): row for file in reversed(files) for row in reversed(file)}
    chosen = [*reversed(first.values())]
    others = [row for file in files for row in file[: 2 * _MOST_EXAMPLES // len(files)] if row not in chosen]
    return [*chosen, *others][:_MOST_EXAMPLES]


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} ..."
