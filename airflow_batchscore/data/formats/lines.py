"""Whole lines of a text file: those that begin in a byte range, or those of a stream from front to back."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_batchscore.data.formats.csv_quoting import REACH, Quoting, Span
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Maximum length of a line or of a multi-line record.
LONGEST_BYTES = 32 << 20
#: Maximum number of lines in a quoted field; a stray quote runs on for longer.
LONGEST_LINES = 1000
#: Read past a range in the same request, to find the end of its last line and what follows.
_SLACK = 1 << 16

_FIRST_END = re.compile(rb"\r\n?|\n")

_kept = threading.local()


@dataclass(frozen=True)
class Lines:
    """Whole lines of a file, without its header.

    Attributes:
        raw: a view of a buffer that this thread reuses for its next range: fresh pages for every range would cost
            about as much time as parsing.
        before, after: surrounding text, as far as it can decide which of the lines are whole records.
        quoted: whether any of the three contains a quote character.
    """

    raw: memoryview
    before: bytes = b""
    after: bytes = b""
    quoted: bool = False


def first_line(text: bytes) -> tuple[bytes, int] | None:
    """The first line and the offset after it; None if more text is needed."""
    match = _FIRST_END.search(text)
    if match is None or (match.end() == len(text) and text.endswith(b"\r")):
        return None
    return text[: match.start()], match.end()


def read_lines(
    source: pa.NativeFile,
    start: int,
    stop: int,
    *,
    data_start: int,
    size: int,
    line_end: bytes,
    quote: bytes | None,
    uri: str,
) -> Lines:
    """The lines that begin in ``[start, stop)``; a line that begins earlier belongs to the previous range.

    Args:
        data_start: offset of the file's first row.
        size: size of the file in bytes.
        quote: the quote character, if a quoted field may span several lines; what surrounds the lines is then read too.

    Raises:
        InputError: a line is longer than `LONGEST_BYTES`.
    """
    first = start if start == data_start else start - 1
    low = max(first - (REACH + 1 if quote else 0), data_start)
    length = stop - low
    filled = min(length + _SLACK, size - low)
    buffer = _fill(source, low, filled)
    begin = 0 if start == data_start else buffer.find(line_end, first - low, length) + 1
    if begin == 0 and start != data_start:
        return Lines(memoryview(b""))
    end = buffer.find(line_end, length - 1, filled) + 1
    while _lacks(end, low + filled, size, low, buffer, quote) and filled - length <= LONGEST_BYTES:
        filled = min(2 * filled, size - low)
        buffer = _fill(source, low, filled)
        end = buffer.find(line_end, length - 1, filled) + 1
    if (end or filled) - length > LONGEST_BYTES:
        raise _too_long(uri, f"the line that begins before byte {stop}")
    end = max(end or filled, begin)
    if quote is None or buffer.find(quote, 0, filled) < 0:
        return Lines(memoryview(buffer)[begin:end])
    # The first line read is whole only at the beginning of the data.
    whole = 0 if low == data_start else buffer.find(line_end, 0, begin) + 1
    after = bytes(buffer[end : min(end + REACH + 2, filled)])
    return Lines(memoryview(buffer)[begin:end], bytes(buffer[whole:begin]), after, quoted=True)


def _lacks(end: int, read: int, size: int, low: int, buffer: bytearray, quote: bytes | None) -> bool:
    """Whether to read more: the line has not ended yet, or the text after it may matter and is not loaded."""
    if read >= size:
        return False
    return not end or (quote is not None and low + end + REACH + 2 > read and buffer.find(quote, 0, end) >= 0)


def _too_long(uri: str, what: str) -> InputError:
    return InputError(
        f"{uri}: {what} is longer than {LONGEST_BYTES >> 20} MiB, the most that a row can be. If it is not one row, "
        "check the line ends, the quotes and the encoding of the file"
    )


def _fill(source: pa.NativeFile, offset: int, length: int) -> bytearray:
    buffer: bytearray | None = getattr(_kept, "buffer", None)
    if buffer is None or len(buffer) < length:
        _kept.buffer = None  # never hold two of them at once
        _kept.buffer = buffer = bytearray(length + _SLACK)
    view, read = memoryview(buffer), 0
    source.seek(offset)
    while read < length:
        count = source.readinto(view[read:length])
        if not count:
            raise OSError(f"the file ends {length - read} bytes early")
        read += count
    return buffer


#: See `LineStream`.
Head = Callable[[bytes, bool], int | None]


def no_head(text: bytes, ended: bool) -> int:
    """For a file whose first line is a row."""
    return 0


def _after_line(text: bytes, ended: bool) -> int | None:
    header = first_line(text)
    return header[1] if header else len(text) if ended else None


class LineStream:
    """The lines of a UTF-8 stream, read once from front to back.

    Args:
        source: has ``read(size)``.
        line_end: the byte that ends every line.
        quoting: None if no quote can make a field span several lines.
        head: the offset of the first row in the beginning of the text, of which it is told whether it is all; None if
            it needs more. By default the first line is left out; see `no_head`.
        joined: a quoted field may hold line ends (``newlines_in_values``): records are then kept whole.
        uri: name of the file in messages.
    """

    def __init__(
        self,
        source: pa.NativeFile,
        line_end: bytes,
        quoting: Quoting | None,
        uri: str,
        *,
        joined: bool = False,
        head: Head | None = None,
    ) -> None:
        self._source, self._line_end, self._quoting, self._uri = source, line_end, quoting, uri
        self._joined, self._head = joined, head or _after_line
        self._text = bytearray()
        self._ended = False
        self._line = 1  # number of the line at which the text begins

    def chunks(self, size: int) -> Iterator[Lines]:
        """Yield about `size` bytes at a time.

        Raises:
            InputError: a record is longer than `LONGEST_BYTES`; or, if lines are joined, a quoted field is not closed,
                spans more than `LONGEST_LINES` lines, or ends within text.
        """
        self._drop_head()
        before = b""
        wanted = size
        ahead = 0 if self._joined or self._quoting is None else REACH + 2
        while self._read_to(wanted + ahead):
            stop = self._whole_records() if self._joined else self._whole_lines(wanted)
            if stop == 0:
                if wanted > LONGEST_BYTES:
                    raise _too_long(self._uri, f"the row that begins in line {self._line}")
                wanted = min(2 * max(wanted, len(self._text)), LONGEST_BYTES + 1)
                continue
            raw, after = bytes(self._text[:stop]), bytes(self._text[stop : stop + REACH + 2])
            del self._text[:stop]
            if self._quoting is None:
                yield Lines(memoryview(raw))
            elif self._joined:
                yield Lines(memoryview(raw), quoted=self._quoting.quote in raw)
            else:
                quoted = any(self._quoting.quote in part for part in (before, raw, after))
                yield Lines(memoryview(raw), before, after, quoted)
                before = self._tail(raw if len(raw) > REACH else before + raw)
            self._line += raw.count(self._line_end)
            wanted = size

    def _drop_head(self) -> None:
        while (stop := self._head(bytes(self._text[: LONGEST_BYTES + 2]), self._ended)) is None and not self._ended:
            self._read_to(len(self._text) + _SLACK)
        stop = len(self._text) if stop is None else stop
        self._line += self._text.count(self._line_end, 0, stop)
        del self._text[:stop]

    def _read_to(self, size: int) -> bool:
        """Read until there is that much text or the file ends. Returns whether there is any."""
        while len(self._text) < size and not self._ended:
            more = self._source.read(size - len(self._text))
            self._ended = not more
            self._text += more
        return bool(self._text)

    def _whole_lines(self, size: int) -> int:
        if self._ended and len(self._text) <= size:
            return len(self._text)
        return self._text.rfind(self._line_end, 0, size) + 1

    def _whole_records(self) -> int:
        """Offset after the last whole record."""
        assert self._quoting is not None, "only quotes join lines"
        text, stop, behind = bytes(self._text), 0, 0
        for span in self._quoting.spans(text):
            stop = text.rfind(self._line_end, behind, span.start) + 1 or stop
            if self._is_open(span, len(text)):
                return stop
            behind = span.stop
        if self._ended:
            return len(text)
        return text.rfind(self._line_end, behind) + 1 or stop

    def _is_open(self, span: Span, length: int) -> bool:
        """Whether its end has yet to be read. Raises InputError if it cannot be a field."""
        lines = self._text.count(self._line_end, span.start, span.stop)
        where = f"{self._uri}: the quoted field that begins in line {self._line_of(span.start)}"
        advice = "A stray quote does that: fix that line, or read the file without newlines_in_values"
        if lines > LONGEST_LINES:
            raise InputError(f"{where} goes over more than {LONGEST_LINES} lines. {advice}")
        if span.stop == length and not self._ended:
            return True
        if not span.closed:
            raise InputError(f"{where} is not closed before the end of the file. {advice}")
        if not span.clean:
            raise InputError(f"{where} is closed within text, in line {self._line_of(span.stop)}. {advice}")
        return False

    def _line_of(self, offset: int) -> int:
        return self._line + self._text.count(self._line_end, 0, offset)

    def _tail(self, text: bytes) -> bytes:
        """The last whole lines of `text` that can matter for those that follow."""
        if len(text) <= REACH:
            return text
        return text[text.find(self._line_end, len(text) - REACH - 1) + 1 :]
