"""JSON Lines: one object a line. Byte ranges that begin after a line end, or one stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

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
from airflow_batchscore.data.formats.compression import is_packed, unpacked
from airflow_batchscore.data.formats.jsonl_reader import JsonLinesReader
from airflow_batchscore.data.formats.jsonl_records import names_in
from airflow_batchscore.data.formats.jsonl_types import types_of
from airflow_batchscore.data.formats.line_blocks import (
    SAMPLE_BYTES,
    byte_ranges,
    first_rows,
    numbered,
    stream_bytes,
    to_the_end,
)
from airflow_batchscore.data.formats.lines import Lines, LineStream, no_head, read_lines
from airflow_batchscore.data.no_type import NO_TYPE
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.data.storage.opened import Opened, open_input
from airflow_batchscore.errors import InputError

_LINE_END = b"\n"


class JsonLines(Format):
    """Objects of plain values. No line states which columns a file has, and any line may leave some out.

    A file has the columns whose names occur in it, and those that the dataset declares a type for.
    """

    name = "jsonl"
    packed = True

    def cut(self, file: FileInfo, settings: ReadSettings, request: CutRequest) -> tuple[Source, Sequence[Range]]:
        """Reads until every requested column has occurred, usually the first lines. A file of 0 bytes has no rows."""
        wanted = [*(request.columns or ()), *request.keys]
        with open_input(Location(file.uri, settings.conn_id), file.stamp) as opened:
            stamp, size = opened.stamp, opened.stamp.size
            if is_packed(file.uri):
                require_bytes(file.uri, size)
            names, row_bytes = _look(opened, {*wanted} - {*settings.column_types})
        # Without rows, no column is missing.
        columns = tuple(dict.fromkeys([*names, *settings.column_types] if names else wanted))
        if is_packed(file.uri):
            source = Source(file.uri, stamp, self.name, "stream", columns, batch_bytes=stream_bytes(request))
            return source, [(0, size, 0, 0)]
        return Source(file.uri, stamp, self.name, "bytes", columns), byte_ranges(0, size, row_bytes, request)

    def read(self, block: Block, settings: ReadSettings, columns: Types, keys: Types) -> Iterator[Batch]:
        reader = JsonLinesReader(columns, keys)
        return numbered(_lines(block, settings), reader.read, block.source.uri)

    def types(
        self, block: Block, settings: ReadSettings, wanted: Callable[[str], bool], *, sample: bool
    ) -> Iterator[tuple[str, str]]:
        """Lines that are not objects are ignored here; they are handled when the file is read."""
        yield from ((name, NO_TYPE) for name in block.source.columns if wanted(name))
        for lines in _lines(first_rows(block), settings) if sample else _lines(block, settings):
            try:
                yield from types_of(lines, wanted).items()
            except InputError as error:
                raise type(error)(f"{block.source.uri}: {error}") from error
            if sample:
                return


def _look(opened: Opened, wanted: Iterable[str]) -> tuple[list[str], float]:
    """The names that occur until all of `wanted` have, and the average size of the first lines in bytes.

    Raises InputError if no line is an object.
    """
    names: dict[str, None] = {}
    row_bytes, missing = 0.0, set(wanted)
    for lines in _stream(opened, SAMPLE_BYTES):
        if not row_bytes:
            row_bytes = max(len(lines.raw) / max(bytes(lines.raw).count(_LINE_END), 1), 1)
        names |= dict.fromkeys(names_in(lines))
        missing -= names.keys()
        if names and not missing:
            return list(names), row_bytes
    if row_bytes and not names:
        raise InputError(f"{opened.uri} has no JSON object on any line; JSON Lines has one on each")
    return list(names), row_bytes


def _stream(opened: Opened, size: int) -> Iterator[Lines]:
    with to_the_end(opened.uri):
        yield from LineStream(unpacked(opened), _LINE_END, None, opened.uri, head=no_head).chunks(size)


def _lines(block: Block, settings: ReadSettings) -> Iterator[Lines]:
    """The lines of a block, in chunks of about the size a reader returns."""
    source = block.source
    with open_input(Location(source.uri, settings.conn_id), source.stamp) as opened:
        if source.is_stream:
            yield from _stream(opened, source.batch_bytes)
            return
        lines = read_lines(
            opened.file,
            block.start,
            block.stop,
            data_start=0,
            size=source.size,
            line_end=_LINE_END,
            quote=None,
            uri=source.uri,
        )
    yield lines
