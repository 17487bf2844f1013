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
from airflow_batchscore.data.formats.csv_rows import parse_header, quoting_of
from airflow_batchscore.data.formats.line_blocks import to_the_end
from airflow_batchscore.data.formats.lines import LONGEST_BYTES, Lines, LineStream, first_line, read_lines
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
    while first_line(sample) is None and _SAMPLE_BYTES <= len(sample) <= LONGEST_BYTES:
        more = _read(source, len(sample), uri)
        if not more:
            break
        sample += more
    line, start = first_line(sample) or (sample, len(sample))
    if len(line) > LONGEST_BYTES:
        raise InputError(f"the header of {uri} is longer than {LONGEST_BYTES >> 20} MiB; check its line ends")
    columns = parse_header(line, _as_opened(options), uri)
    if not columns:
        raise InputError(f"{uri} has no header: its first line is empty")
    rest = sample[start:]
    # Classic Mac OS files end lines with \r. If there is any \n, cutting at it is safe: the parser accepts all three.
    line_end = b"\r" if sample[:start].endswith(b"\r") and b"\n" not in rest else b"\n"
    row_bytes = max(len(rest) / max(rest.count(line_end), 1), 1)
    is_stream = is_packed(uri) or bool(options.get("newlines_in_values")) or _encoding(options) not in _CUTTABLE
    return CsvLayout(columns, is_stream, start, line_end.decode(), row_bytes)


def stream_lines(opened: Opened, options: JsonMapping, line_end: str, size: int) -> Iterator[Lines]:
    """The lines of a file from front to back, about `size` bytes at a time. Raises InputError if it is damaged."""
    joined = bool(options.get("newlines_in_values"))
    source = _text_of(opened, options, to_utf8=True)
    stream = LineStream(source, line_end.encode(), quoting_of(options), opened.uri, joined=joined)
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
