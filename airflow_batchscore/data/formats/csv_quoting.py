"""Where quoted fields of CSV text begin and end, following Arrow's parser.

A quote opens a field only at the beginning of the field. Inside, two quotes stand for one, and a single one closes;
what follows up to the delimiter is taken literally.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

#: A field that ends on a later line is recognised as one up to this many bytes from the start of its line.
REACH = 1 << 15
#: Text that is looked at or parsed at a time: it fits in the processor's cache.
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Span:
    """A quoted field that holds line ends.

    Attributes:
        start: offset of the opening quote.
        stop: offset after the closing quote, or the end of the text.
        clean: whether a delimiter, a line end or the end of the text follows.
    """

    start: int
    stop: int
    closed: bool
    clean: bool


@dataclass(frozen=True)
class Quoting:
    """The quote character and the delimiter of a file, one byte each, and what makes the next character a letter."""

    quote: bytes
    delimiter: bytes
    escape: bytes = b""

    @cached_property
    def _letter(self) -> bytes:
        """In a class of characters: what is not taken one by one."""
        return re.escape(self.quote) + re.escape(self.escape)

    @cached_property
    def _pair(self) -> bytes:
        """What stands for one letter in a quoted field."""
        q, e = re.escape(self.quote), re.escape(self.escape)
        return q + q + (rb"|" + e + rb"[^\r\n]" if e else b"")

    @cached_property
    def _skip(self) -> bytes:
        """All text before a quoted field that does not end on its line; one match spans any number of lines."""
        q, d, e = re.escape(self.quote), re.escape(self.delimiter), re.escape(self.escape)
        inside = rb"(?!\A)(?<![" + d + rb"\r\n])" + q
        whole = q + rb"(?:[^" + self._letter + rb"\r\n]++|" + self._pair + rb")*+" + q
        # Behind an escaped letter a field has begun, and a quote is one of its letters.
        escaped = rb"|" + e + rb"[^\r\n]" + q + rb"*+|" + e if e else b""
        return rb"(?:[^" + self._letter + rb"]++|" + inside + rb"|" + whole + escaped + rb")*+"

    @cached_property
    def _open_line(self) -> re.Pattern[bytes]:
        body = re.escape(self.quote) + rb"(?:[^" + self._letter + rb"\r\n]++|" + self._pair + rb")*+"
        return re.compile(self._skip + rb"(" + body + rb")(?=[\r\n]|\Z)")

    @cached_property
    def _span(self) -> re.Pattern[bytes]:
        q, d = re.escape(self.quote), re.escape(self.delimiter)
        body = q + rb"(?:[^" + self._letter + rb"]++|" + self._pair + rb")*+"
        return re.compile(self._skip + rb"(" + body + rb"(" + q + rb")?)(?=([" + d + rb"\r\n]|\Z)?)")

    @cached_property
    def _end(self) -> re.Pattern[bytes]:
        q, d = re.escape(self.quote), re.escape(self.delimiter)
        return re.compile(rb"(?:[^" + self._letter + rb"]++|" + self._pair + rb")*+" + q + rb"(?=[" + d + rb"\r\n]|\Z)")

    def spans(self, text: bytes) -> Iterator[Span]:
        """The quoted fields of `text` that hold line ends, if lines may be joined. `text` begins with a record."""
        position = 0
        while match := self._span.match(text, position):
            position = match.end(1)
            yield Span(match.start(1), position, match[2] is not None, match[3] is not None)

    def leaves_open(self, text: bytes) -> bool:
        """Whether a quoted field on any line of `text` does not end on that line."""
        return self._open_line.match(text) is not None

    def broken_lines(self, text: bytes) -> list[tuple[int, int]]:
        """Byte ranges of the lines of `text` that are not whole records, if each line should be one.

        These are the lines on which a quoted field does not end and, if it ends properly within `REACH`, the following
        lines up to its end. A stray quote does not end properly and breaks only its own line. Each line is judged only
        by those within `REACH`, so the answer does not depend on where a file is cut.
        """
        ranges: list[tuple[int, int]] = []
        position = 0
        while match := self._open_line.match(text, position):
            opened, position = match.span(1)
            begin = max(text.rfind(b"\n", 0, opened), text.rfind(b"\r", 0, opened)) + 1
            end = self._end.match(text, position, begin + REACH + 1)
            behind = end.end() if end and end.end() <= min(begin + REACH, len(text)) else position
            stop = _line_end(text, behind)
            if ranges and begin <= ranges[-1][1]:
                ranges[-1] = (ranges[-1][0], max(stop, ranges[-1][1]))
            else:
                ranges.append((begin, stop))
        return ranges


def each_line_is_a_row(text: memoryview | bytes, rows: int) -> bool:
    """Whether `text`, which parses to `rows` rows, has as many non-empty lines: each row takes one or more."""
    # Nearly always: only line ends are control characters, and no line is empty. Counting that is far cheaper.
    return rows == _most_lines(text) or rows == count_lines(text)


def _most_lines(text: memoryview | bytes) -> int:
    """No fewer than the lines of `text`: the characters up to the carriage return, and what follows the last one."""
    import numpy as np

    array = np.frombuffer(text, np.uint8)
    starts = range(0, len(array), PIECE_BYTES)
    ends = sum(int(np.count_nonzero(array[start : start + PIECE_BYTES] <= ord("\r"))) for start in starts)
    return ends + int(len(array) > 0 and array[-1] not in b"\r\n")


def count_lines(text: bytes | memoryview) -> int:
    """Number of non-empty lines; Arrow, like pandas, skips empty ones."""
    import numpy as np

    array, count, inside = np.frombuffer(text, np.uint8), 0, False
    for start in range(0, len(array), PIECE_BYTES):
        piece = array[start : start + PIECE_BYTES]
        filled = (piece != 10) & (piece != 13)
        count += int(np.count_nonzero(filled[1:] > filled[:-1])) + int(filled[0] and not inside)
        inside = bool(filled[-1])
    return count


_LINE_END = re.compile(rb"\r\n?|\n|\Z")


def _line_end(text: bytes, position: int) -> int:
    """Offset after the line end that follows `position`."""
    match = _LINE_END.search(text, position)
    assert match is not None, "the end of the text matches"
    return match.end()
