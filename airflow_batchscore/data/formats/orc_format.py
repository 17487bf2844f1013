"""ORC: small stripes are merged into a block. Huge ones can be read in pieces only from front to back: one stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import (
    BATCH_ROWS,
    Block,
    CutRequest,
    Format,
    Range,
    ReadSettings,
    Source,
    Types,
    require_bytes,
)
from airflow_batchscore.data.formats.orc_reader import OrcReader
from airflow_batchscore.data.formats.typed_rows import TypedRows, key_types_in, types_in
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.data.storage.opened import open_input

#: A stripe of more batches than this is not held in memory whole.
_MOST_BATCHES = 4


class Orc(Format):
    """Stripes of typed columns, with a footer."""

    name = "orc"
    typed = True

    def cut(self, file: FileInfo, settings: ReadSettings, request: CutRequest) -> tuple[Source, Sequence[Range]]:
        with open_input(Location(file.uri, settings.conn_id), file.stamp) as opened:
            stamp = opened.stamp
            require_bytes(file.uri, stamp.size)
            reader = OrcReader(opened, request.columns)
            row_bytes = reader.row_bytes()
        batch_rows = max(1, min(BATCH_ROWS, request.block_rows, int(request.batch_bytes // row_bytes)))
        stripe_rows = max(1, reader.rows // max(reader.stripes, 1))
        is_stream = stripe_rows * row_bytes > _MOST_BATCHES * request.batch_bytes
        source = Source(
            file.uri,
            stamp,
            self.name,
            "stream" if is_stream else "stripes",
            tuple(reader.schema.names),
            rows=reader.rows,
            batch_rows=batch_rows,
            batch_bytes=request.batch_bytes,
            keys=key_types_in(reader.schema, request.keys),
        )
        if is_stream:
            return source, [(0, reader.stripes, 0, 0)]
        step = max(1, request.block_rows // stripe_rows)
        starts = range(0, reader.stripes, step)
        return source, [(start, min(start + step, reader.stripes), 0, 0) for start in starts]

    def read(self, block: Block, settings: ReadSettings, columns: Types, keys: Types) -> Iterator[Batch]:
        source, rows = block.source, TypedRows(block, settings, columns, keys)
        with open_input(Location(source.uri, settings.conn_id), source.stamp) as opened:
            reader = OrcReader(opened, rows.names)
            if source.is_stream:
                batches = reader.stream(source.batch_rows)
            else:
                batches = reader.read(range(block.start, block.stop), source.batch_rows)
            yield from rows.of(batches, reader.schema)

    def types(
        self, block: Block, settings: ReadSettings, wanted: Callable[[str], bool], *, sample: bool
    ) -> Iterator[tuple[str, str]]:
        with open_input(Location(block.source.uri, settings.conn_id), block.source.stamp) as opened:
            return types_in(OrcReader(opened).schema, wanted)
