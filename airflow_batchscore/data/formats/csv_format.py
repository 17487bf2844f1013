"""CSV: byte ranges that begin after a line end, or one stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.formats.base import (
    Block,
    CutRequest,
    Format,
    Range,
    ReadSettings,
    Source,
    Types,
    require_bytes,
)
from airflow_batchscore.data.formats.csv_file import look_at, range_lines, stream_lines
from airflow_batchscore.data.formats.csv_options import require_csv_options
from airflow_batchscore.data.formats.csv_reader import CsvReader
from airflow_batchscore.data.formats.csv_times import Times
from airflow_batchscore.data.formats.csv_types import found_schema
from airflow_batchscore.data.formats.line_blocks import byte_ranges, first_rows, numbered, stream_bytes
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.data.formats.text_types import type_name
from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.data.no_type import NO_TYPE
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.data.storage.opened import open_input


class Csv(Format):
    """Rows of text cells below a header."""

    name = "csv"
    options = frozenset(
        {
            *("delimiter", "quotechar", "encoding", "newlines_in_values", "pad_short_rows", "null_values"),
            *("column_types", "skip_rows", "column_names", "comment", "escapechar", "decimal", "thousands"),
            "date_format",
        }
    )
    packed = True

    def check(self, options: JsonMapping) -> None:
        require_csv_options(options)
        Times.of(options)

    def cut(self, file: FileInfo, settings: ReadSettings, request: CutRequest) -> tuple[Source, Sequence[Range]]:
        require_csv_options(settings.options)
        with open_input(Location(file.uri, settings.conn_id), file.stamp) as opened:
            stamp, size = opened.stamp, opened.stamp.size
            require_bytes(file.uri, size)
            layout = look_at(opened, settings.options)
        columns, start, line_end = layout.columns, layout.data_start, layout.line_end
        if layout.is_stream:
            most = stream_bytes(request)
            source = Source(file.uri, stamp, self.name, "stream", columns, line_end=line_end, batch_bytes=most)
            return source, [(0, size, 0, 0)]
        source = Source(file.uri, stamp, self.name, "bytes", columns, data_start=start, line_end=line_end)
        return source, byte_ranges(start, size, layout.row_bytes, request)

    def read(self, block: Block, settings: ReadSettings, columns: Types, keys: Types) -> Iterator[Batch]:
        reader = CsvReader(block.source.columns, columns, settings.options, keys)
        return numbered(_lines(block, settings), reader.read, block.source.uri)

    def types(
        self, block: Block, settings: ReadSettings, wanted: Callable[[str], bool], *, sample: bool
    ) -> Iterator[tuple[str, str]]:
        """Rows that cannot be parsed are ignored here; they are handled when the file is read."""
        names = [name for name in block.source.columns if wanted(name)]
        yield from ((name, NO_TYPE) for name in names)
        for lines in _lines(first_rows(block), settings) if sample else _lines(block, settings):
            schema = found_schema(lines, block.source.columns, names, settings.options)
            yield from ((field.name, type_name(field.type)) for field in schema)
            if sample:
                return


def _lines(block: Block, settings: ReadSettings) -> Iterator[Lines]:
    """The lines of a block, in chunks of about the size a reader returns."""
    source, options = block.source, settings.options
    with open_input(Location(source.uri, settings.conn_id), source.stamp) as opened:
        if source.is_stream:
            yield from stream_lines(opened, options, source.line_end, source.batch_bytes)
            return
        place = (block.start, block.stop)
        lines = range_lines(opened, options, *place, data_start=source.data_start, line_end=source.line_end)
    yield lines
