"""CSV files in storage: what must be known before cutting one, and its lines.

A file that can be entered anywhere is cut into byte ranges by arithmetic alone; each range begins after the first line
end at or after its start. Each line is a row, so each such position is a true boundary. Compressed files, encodings
with line-end bytes inside characters, and files read with ``newlines_in_values`` are read as one stream.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.formats.compression import is_packed, unpacked
from airflow_batchscore.data.formats.csv_options import first_row, require_as_many
from airflow_batchscore.data.formats.csv_rows import parse_header, quoting_of
from airflow_batchscore.data.formats.line_blocks import to_the_end
from airflow_batchscore.data.formats.lines import LONGEST_BYTES, Lines, LineStream, read_lines
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.storage.errors import is_store_error
from airflow_batchscore.data.storage.opened import Opened
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE_BYTES = 1 << 18

_UTF8 = {"utf-8", "utf-8-sig", "ascii"}
#: Encodings in which the byte 0x0A is always a line end, so a file may be entered anywhere.
_CUTTABLE = {*_UTF8, "iso8859-1", "iso8859-15", "cp1252"}


@dataclass(frozen=True)
class CsvLayout:
    """What the beginning of a file reveals.

    Attributes:
        is_stream: whether it can only be read from front to back.
        data_start: offset of the first row.
        line_end: the character that ends every line.
        row_bytes: average size of the first rows.
    """

    columns: tuple[str, ...]
    is_stream: bool
    data_start: int
    line_end: str
    row_bytes: float


def look_at(opened: Opened, options: JsonMapping) -> CsvLayout:
    """Read the beginning of a file. Raises InputError if it has no header or cannot be read as text."""
    uri, source = opened.uri, _text_of(opened, options)
    sample = _read(source, _SAMPLE_BYTES, uri)
    while first_row(sample, options, ended=False) is None and _SAMPLE_BYTES <= len(sample) <= LONGEST_BYTES:
        more = _read(source, len(sample), uri)
        if not more:
            break
        sample += more
    line, start = first_row(sample, options, ended=True) or (sample, len(sample))
    if len(line or b"") > LONGEST_BYTES:
        raise InputError(f"the header of {uri} is longer than {LONGEST_BYTES >> 20} MiB; check its line ends")
    rest = sample[start:]
    columns = _named(rest, options, uri) if line is None else parse_header(line, _as_opened(options), uri)
    if not columns:
        skipped = options.get("skip_rows", 0)
        what = f"there is none after {skipped} lines (skip_rows)" if skipped else "its first line is empty"
        advice = '; read_options={"skip_rows": n} leaves n lines out' if not skipped else ""
        raise InputError(f"{uri} has no header: {what}{advice}")
    # Classic Mac OS files end lines with \r. If there is any \n, cutting at it is safe: the parser accepts all three.
    ends = sample[:start].endswith(b"\r") or (line is None and b"\r" in rest)
    line_end = b"\r" if ends and b"\n" not in rest else b"\n"
    row_bytes = max(len(rest) / max(rest.count(line_end), 1), 1)
    is_stream = is_packed(uri) or bool(options.get("newlines_in_values")) or _encoding(options) not in _CUTTABLE
    return CsvLayout(columns, is_stream, start, line_end.decode(), row_bytes)


def _named(rows: bytes, options: JsonMapping, uri: str) -> tuple[str, ...]:
    """The user's names of the columns, checked with the first row."""
    row = first_row(rows, {**options, "skip_rows": 0, "column_names": None}, ended=True)
    line = row[0] if row else None
    # A row that goes on in the next line is not counted here.
    if line and line.count(options.get("quotechar", '"').encode()) % 2 == 0:
        require_as_many(parse_header(line, _as_opened(options), uri), options, uri)
    return tuple(options["column_names"])


def stream_lines(opened: Opened, options: JsonMapping, line_end: str, size: int) -> Iterator[Lines]:
    """The lines of a file from front to back, about `size` bytes at a time. Raises InputError if it is damaged."""
    joined = bool(options.get("newlines_in_values"))
    source = _text_of(opened, options, to_utf8=True)

    def head(text: bytes, ended: bool) -> int | None:
        found = first_row(text, options, ended=ended)
        return found[1] if found else None

    stream = LineStream(source, line_end.encode(), quoting_of(options), opened.uri, joined=joined, head=head)
    with to_the_end(opened.uri):
        yield from stream.chunks(size)


def range_lines(
    opened: Opened, options: JsonMapping, start: int, stop: int, *, data_start: int, line_end: str
) -> Lines:
    """The lines that begin in a byte range; see `read_lines`."""
    uri = opened.uri
    lines = read_lines(
        opened.file,
        start,
        stop,
        data_start=data_start,
        size=opened.stamp.size,
        line_end=line_end.encode(),
        quote=quoting_of(options).quote,
        uri=uri,
    )
    encoding = _encoding(options)
    if encoding in _UTF8:
        return lines
    parts = [_recoded(part, encoding, uri) for part in (lines.raw, lines.before, lines.after)]
    return Lines(memoryview(parts[0]), parts[1], parts[2], lines.quoted)


def _recoded(raw: memoryview | bytes, encoding: str, uri: str) -> bytes:
    try:
        return bytes(raw).decode(encoding).encode()
    except UnicodeDecodeError as error:
        raise InputError(f"{uri} is not {encoding}: {error.reason}") from error


def _encoding(options: JsonMapping) -> str:
    name = options.get("encoding") or "utf-8"
    try:
        "".encode(name)  # also fails for codecs that are not encodings of text, such as base64
        return codecs.lookup(name).name
    except LookupError:
        raise InputError(f"read_options: the encoding {name!r} is unknown") from None


def _as_opened(options: JsonMapping) -> JsonObject:
    """The options for text as returned by `_text_of`."""
    return {**options, "encoding": options.get("encoding") if _encoding(options) in _CUTTABLE else "utf-8"}


def _text_of(opened: Opened, options: JsonMapping, *, to_utf8: bool = False) -> pa.NativeFile:
    """The unpacked content, as UTF-8 on request or when its own bytes cannot be cut at line ends."""
    import pyarrow as pa

    encoding = _encoding(options)
    if encoding in _UTF8 or (encoding in _CUTTABLE and not to_utf8):
        return unpacked(opened)
    return pa.transcoding_input_stream(unpacked(opened), encoding, "utf-8")


def _read(source: pa.NativeFile, size: int, uri: str) -> bytes:
    try:
        return bytes(source.read(size))
    except (OSError, UnicodeError) as error:
        if is_store_error(error):
            raise
        raise InputError(f"{uri} cannot be {'unpacked' if is_packed(uri) else 'decoded'}: {error}") from error
