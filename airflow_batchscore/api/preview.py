"""`preview`: the first rows of a partition through recipe and model, and what became of each of them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_batchscore.api.reach import usable_dataset
from airflow_batchscore.api.work import ScoreOptions
from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import cut, read, require_columns
from airflow_batchscore.data.casting import texts
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import InputError, RecipeError
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.prepare import Prepared, Preparer
from airflow_batchscore.scoring.scorers.scorer import BatchRules, ScoredBatch, output_schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_ROWS = 10
#: Less is not worth a block: a large file would have millions, and nearly all previews end in the first.
_BLOCK_ROWS = 10_000
#: What happens to a row.
Outcome = Literal["scored", "skipped", "quarantined"]
#: Of a cell.
Value = str | int | float | bool | None
_LEFT_OUT = "the recipe left it out"


@dataclass(frozen=True)
class PreviewRow:
    """A row of the preview. Numbers and booleans are what would be read; other values are text. None is a missing one.

    Attributes:
        row: its number in the partition, from 0; with `partition_by` in its files.
        inputs: keys and the columns that the recipe reads; of a row that cannot be read, the text in the file.
        outputs: what would be written beside the keys; several rows if a function returns several.
        why: what keeps it from being scored.
    """

    row: int
    outcome: Outcome
    inputs: Mapping[str, Value]
    outputs: Sequence[Mapping[str, Value]]
    why: str = ""


@dataclass(frozen=True)
class Preview:
    """The first rows of a partition, tried.

    Attributes:
        model: what they were scored with.
        note: what may differ when the partition is scored.
    """

    partition: str
    file: str
    model: str
    rows: Sequence[PreviewRow]
    note: str = ""

    @property
    def account(self) -> Account:
        """Rows read = scored + skipped + quarantined."""
        count = [sum(row.outcome == outcome for row in self.rows) for outcome in ("scored", "skipped", "quarantined")]
        return Account(len(self.rows), *count)

    def to_dict(self) -> JsonObject:
        """Plain JSON: what ``batchscore preview --json`` prints."""
        return {**asdict(self), **self.account.to_dict()}


def preview(
    dataset: PartitionedDataset | str,
    model: str | None = None,
    partition: object = None,
    *,
    rows: int = _ROWS,
    features: str | Callable[..., pd.DataFrame] | None = None,
    **options: Any,
) -> Preview:
    """Try the first rows of a partition as scoring would treat them. Nothing is written.

    Args:
        partition: one, as in `score`; None: the first.
        rows: how many of them.
        features: instead of a model, the features function of a recipe: shows what it makes of the rows.
        options: see `ScoreOptions`.

    Raises:
        InputError: there is no such partition or column, or a file cannot be read.
        BatchScoreError: the recipe or the model fails for more than single rows.
    """
    if rows < 1:
        raise InputError(f"rows={rows}: a preview has at least 1 row")
    if features is not None:
        if model is not None or options.get("function") is not None:
            raise InputError("features= shows what a recipe makes of the rows: leave model and function out")
        options["function"] = features
    chosen = ScoreOptions.of({**options, "quarantine": rows}, preview)
    with tempfile.TemporaryDirectory(prefix="batchscore-preview-") as folder:
        reached = usable_dataset(dataset)
        asked = [partition] if isinstance(partition, Mapping) else partition
        found = reached.require(asked)
        if asked is not None and len(found) > 1:
            raise InputError(
                f"partition={partition!r}: a preview shows one partition, and these are {len(found):,}: name one, such "
                f"as {found[0].key}"
            )
        first = found[0]
        work = chosen.work(reached, model, [first.values], folder)
        job = replace(work.job, conn_id=None)
        pinned = job.dataset.pin(work.partitions[0])
        prepared = Preparer(job).prepare(pinned)
        if prepared.scorer.unit == "group":
            raise RecipeError("group_by calls the function once for each whole group: a few rows show nothing of that")
        tried = list(_rows(job.dataset, pinned, prepared, rows, BatchRules(prepared.keys, Limit(rows), job.allow_nan)))
    name = prepared.model.version if prepared.model else prepared.scorer.method
    note = ""
    if prepared.scorer.unit == "partition":
        note = "It needs whole partitions (row_wise=False), and was given these rows alone: scoring gives other values"
    return Preview(pinned.key, pinned.files[0].uri, name, tried, note)


def _rows(
    dataset: PartitionedDataset, partition: Partition, prepared: Prepared, rows: int, rules: BatchRules
) -> Iterator[PreviewRow]:
    scorer, columns = prepared.scorer.open(rules), list({**prepared.types, **prepared.key_types})
    keys, size = list(prepared.key_types), max(rows, _BLOCK_ROWS)
    before = 0
    # Numbered below, as far as they are read.
    for found in cut(dataset, partition, block_rows=size, columns=columns, keys=keys, numbered=False):
        require_columns(found.source, columns, partition_key=partition.key)
        block = replace(found, before=before)
        for batch in read(dataset, block, prepared.types, prepared.key_types):
            few = _first(batch, rows)
            types = {field.name: field.type for field in few.keys.schema}
            scored = scorer.score(few, output_schema(scorer.outputs, rules.keys, types))
            made = _outcomes(few, scored, rules.keys)
            yield from (replace(row, row=row.row + block.before) for row in made)
            rows -= len(made)
            if rows <= 0:
                return
            before += batch.rows_read + batch.others


def _first(batch: Batch, rows: int) -> Batch:
    """The first rows of a batch, readable or not, in the order of the file."""
    import numpy as np

    numbers = np.sort([*batch.positions[:rows], *(bad.position for bad in batch.bad)])[:rows]
    last = numbers[-1] if len(numbers) else -1
    count = int((batch.positions <= last).sum())
    return replace(
        batch,
        table=batch.table.slice(0, count),
        keys=batch.keys.slice(0, count),
        positions=batch.positions[:count],
        bad=[bad for bad in batch.bad if bad.position <= last],
    )


def _outcomes(batch: Batch, scored: ScoredBatch, keys: Sequence[str]) -> list[PreviewRow]:
    made: dict[int, list[Mapping[str, Value]]] = {}
    outputs = scored.table.drop_columns([key for key in keys if key in scored.table.column_names])
    for number, place in enumerate(scored.places):
        made.setdefault(int(place), []).append(_values(outputs, number))
    bad = {row.position: row for row in [*batch.bad, *scored.failed]}
    why = "; ".join(scored.uncovered) or _LEFT_OUT
    rows = [PreviewRow(row.position, "quarantined", row.raw, [], f"{row.error}: {row.message}") for row in bad.values()]
    for place, position in enumerate(map(int, batch.positions)):
        if position in bad:
            continue
        inputs = {**_values(batch.keys, place), **_values(batch.table, place)}
        if place in made:
            rows.append(PreviewRow(position, "scored", inputs, made[place]))
        else:
            rows.append(PreviewRow(position, "skipped", inputs, [], why))
    return sorted(rows, key=lambda row: row.row)


def _values(table: pa.Table, row: int) -> Mapping[str, Value]:
    return {name: _value(table.column(name)[row], text) for name, text in texts(table, row).items()}


def _value(cell: pa.Scalar, text: str | None) -> Value:
    """A number or a boolean as JSON has them, any other value as `text`; so are NaN and infinity, which JSON lacks."""
    import pyarrow as pa

    if text is None or not (
        pa.types.is_boolean(cell.type) or pa.types.is_integer(cell.type) or pa.types.is_floating(cell.type)
    ):
        return text
    value: int | float | bool = cell.as_py()
    return value if math.isfinite(value) else text
