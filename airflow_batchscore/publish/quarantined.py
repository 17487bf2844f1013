"""The quarantined rows of a run, for its report and its page: why they could not be scored, and a few of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.formats.parquet_footer import open_file
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import BatchScoreError, InputError
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

#: Files that are read, of one block each, and rows of each whose reasons are counted.
_MOST_FILES = 10
_MOST_ROWS = 1000
#: Of a file's first rows, the examples are taken.
_EXAMPLES_FROM = 200
#: Shown of these: reasons, rows of a file and of all files, values of a row, characters of a value.
_MOST_REASONS = 10
_MOST_OF_A_FILE = 3
_MOST_EXAMPLES = 20
_MOST_VALUES = 20
_MOST_CHARACTERS = 200
#: What differs between messages that give the same reason.
_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Reason:
    """Why rows could not be scored.

    Attributes:
        error: class of the problem, such as ``"ParseError"``.
        message: of the first row; those of the others differ in values only.
        rows: with this reason, of those that were looked at.
        partitions: keys of theirs.
    """

    error: str
    message: str
    rows: int
    partitions: Sequence[str]


@dataclass(frozen=True)
class QuarantinedRow:
    """A row as it was read.

    Attributes:
        file: URI.
        block, row: number of the block in the partition, and of the row in the block, from 0.
        raw: values as text; the first of many, and the beginning of long ones.
    """

    partition: str
    file: str
    block: int
    row: int
    error: str
    message: str
    raw: Mapping[str, str | None]


@dataclass(frozen=True)
class Quarantined:
    """The quarantined rows of a run.

    Attributes:
        rows: in quarantine.
        looked_at: of these.
        reasons: most frequent first.
        files, files_read: of quarantined rows.
        problem: why some could not be read; None if nothing was in the way.
    """

    rows: int
    looked_at: int
    reasons: Sequence[Reason]
    examples: Sequence[QuarantinedRow]
    files: int
    files_read: int
    problem: str | None


def look_into_quarantine(manifests: Sequence[Manifest]) -> Quarantined | None:
    """Read some of the rows in quarantine; None if there are none. A file that cannot be read is a `problem`.

    At most 10 files: those of the partitions with the most rows in quarantine, each partition's largest first.
    """
    rows = sum(manifest.account.rows_quarantined for manifest in manifests)
    if not rows:
        return None
    files = _worst_first(manifests)
    found: dict[tuple[str, str], Reason] = {}
    examples: list[QuarantinedRow] = []
    problems: list[str] = []
    for partition, folder, name in files[:_MOST_FILES]:
        try:
            require_plain(name, "a file of quarantined rows")
            seen = list(_rows_of(partition, folder / name))
        except (OSError, BatchScoreError) as error:
            problems.append(f"{folder / name} cannot be read: {error}")
            continue
        for row in seen:
            _count(found, row)
        examples += [row for row in seen if row.raw]
    reasons = sorted(found.values(), key=lambda reason: -reason.rows)
    return Quarantined(
        rows=rows,
        looked_at=sum(reason.rows for reason in reasons),
        reasons=reasons[:_MOST_REASONS],
        examples=examples[:_MOST_EXAMPLES],
        files=len(files),
        files_read=min(len(files), _MOST_FILES) - len(problems),
        problem="; ".join(problems) or None,
    )


def _worst_first(manifests: Sequence[Manifest]) -> list[tuple[str, Location, str]]:
    """Partition, folder and file of each block with quarantined rows: of every partition one, then the second, ..."""
    ranked: list[tuple[int, int, tuple[str, Location, str]]] = []
    for manifest in manifests:
        bad = [(block.account.rows_quarantined, block.quarantine) for block in manifest.blocks if block.quarantine]
        bad.sort(key=lambda block: -block[0])
        for place, (_, name) in enumerate(bad):
            ranked.append((place, -manifest.account.rows_quarantined, (manifest.key, manifest.folder, name)))
    return [file for _, _, file in sorted(ranked, key=lambda file: file[:2])]


def _rows_of(partition: str, location: Location) -> Iterator[QuarantinedRow]:
    """The first rows of a file. Values are read for one row per reason, and then for others, at most three."""
    columns = ["file", "block", "row", "error", "message"]
    with open_file(location) as file:
        if not {*columns, "raw"} <= set(file.schema_arrow.names):
            raise InputError("it holds no quarantined rows")
        rows = _first(file.iter_batches(_MOST_ROWS, columns=columns))
        raws = _first(file.iter_batches(_EXAMPLES_FROM, columns=["raw"]))
        kinds = [_kind(row["error"], row["message"]) for row in rows]
        shown = sorted(range(len(raws)), key=lambda place: kinds.index(kinds[place]) < place)[:_MOST_OF_A_FILE]
        for place, row in enumerate(rows):
            values = _values(raws[place]["raw"]) if place in shown else {}
            yield QuarantinedRow(**{**row, "message": _begin(row["message"])}, partition=partition, raw=values)


def _kind(error: str, message: str) -> tuple[str, str]:
    return error, _VALUE.sub("…", _begin(message))


def _first(batches: Iterator[pa.RecordBatch]) -> list[JsonObject]:
    batch = next(batches, None)
    return [] if batch is None else batch.to_pylist()


def _values(raw: object) -> dict[str, str | None]:
    values: Mapping[str, str | None] = {}
    with suppress(ValueError, TypeError):
        values = json.loads(str(raw))
    return {name: None if value is None else _begin(value) for name, value in list(values.items())[:_MOST_VALUES]}


def _begin(text: object) -> str:
    whole = str(text)
    return whole if len(whole) <= _MOST_CHARACTERS else whole[: _MOST_CHARACTERS - 1] + "…"


def _count(found: dict[tuple[str, str], Reason], row: QuarantinedRow) -> None:
    key = _kind(row.error, row.message)
    before = found.get(key, Reason(row.error, row.message, 0, []))
    partitions = before.partitions if row.partition in before.partitions else [*before.partitions, row.partition]
    found[key] = Reason(before.error, before.message, before.rows + 1, partitions)
