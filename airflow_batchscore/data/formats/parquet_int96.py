"""INT96 timestamps in Parquet (the old form of Spark and Impala): nanoseconds with a range beyond 64 bits.

Arrow returns them either as nanoseconds, where distant dates wrap around (9999-12-31 becomes 1816), or as microseconds,
where finer values are truncated. They are read as microseconds here, and also as nanoseconds to detect truncation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

UNIT = "us"


def int96_columns(footer: pq.FileMetaData, wanted: Collection[str] | None, uri: str) -> list[str]:
    """The INT96 columns among `wanted` (None for all). Raises InputError for one inside a list or a struct."""
    import pyarrow.types as pt

    fields = [f for f in footer.schema.to_arrow_schema() if wanted is None or f.name in wanted]
    flat = [field.name for field in fields if pt.is_timestamp(field.type)]
    nested = [field.name for field in fields if pt.is_nested(field.type)]
    if not flat and not nested:
        return []
    columns = (footer.schema.column(place) for place in range(len(footer.schema)))
    paths = {column.path for column in columns if column.physical_type == "INT96"}
    for name in nested:
        if any(path.startswith(f"{name}.") for path in paths - set(flat)):
            raise InputError(
                f"{uri}: column {name!r} holds INT96 timestamps inside lists or structs, which are not read; write the "
                "file with another kind of timestamps, or leave the column out: Recipe(columns=[...])"
            )
    return [name for name in flat if name in paths]


def exact(
    batches: Iterator[pa.RecordBatch], nanoseconds: Iterator[pa.RecordBatch], uri: str
) -> Iterator[pa.RecordBatch]:
    """`batches`, each checked against the same rows in nanoseconds. Raises InputError for a truncated value."""
    import numpy as np

    start = 0
    for batch, finer in zip(batches, nanoseconds, strict=True):
        for name in finer.schema.names:
            read, whole = (_integers(rows.column(name)) for rows in (batch, finer))
            # Both wrap around alike, so the difference is what was truncated, even for distant dates.
            cut = np.flatnonzero(whole - read * np.int64(1000))
            if len(cut):
                raise InputError(
                    f"{uri}, row {start + int(cut[0])}: column {name!r} holds {batch.column(name)[int(cut[0])]} and "
                    f"{int(whole[cut[0]] - read[cut[0]] * 1000)} nanoseconds as INT96, which is read to microseconds "
                    "only. Write the file with TIMESTAMP(NANOS), or leave the column out: Recipe(columns=[...])"
                )
        start += batch.num_rows
        yield batch


def _integers(column: pa.Array) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers: np.ndarray = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return numbers
