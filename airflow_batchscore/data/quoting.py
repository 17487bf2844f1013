"""Where quoted fields of CSV text begin and end, by the rules of Arrow's parser.

A quote opens a field only where the field begins. Inside, two quotes are one, and a single one closes; what then
follows up to the delimiter is taken as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

#: A field that ends on a later line is recognised as one up to this many bytes from the beginning of its line.
REACH = 1 << 15


@dataclass(frozen=True)
class Span:
    """A quoted field that holds line ends.

    Attributes:
        start: offset of the quote that opens it.
        stop: offset behind the quote that closes it, or the end of the text.
        clean: whether a delimiter, a line end or the end of the text follows.
    """

    start: int
    stop: int
    closed: bool
    clean: bool


@dataclass(frozen=True)
class Quoting:
    """The quote character and the delimiter of a file, one byte each."""

    quote: bytes
    delimiter: bytes

    @cached_property
    def _skip(self) -> bytes:
        """All text before a quoted field that does not end on its line; one match runs over any number of lines."""
        q, d = re.escape(self.quote), re.escape(self.delimiter)
        inside = rb"(?!\A)(?<![" + d + rb"\r\n])" + q
        whole = q + rb"(?:[^" + q + rb"\r\n]++|" + q + q + rb")*+" + q
        return rb"(?:[^" + q + rb"]++|" + inside + rb"|" + whole + rb")*+"

    @cached_property
    def _open_line(self) -> re.Pattern[bytes]:
        q = re.escape(self.quote)
        return re.compile(self._skip + rb"(" + q + rb"(?:[^" + q + rb"\r\n]++|" + q + q + rb")*+)(?=[\r\n]|\Z)")

    @cached_property
    def _span(self) -> re.Pattern[bytes]:
        q, d = re.escape(self.quote), re.escape(self.delimiter)
        body = q + rb"(?:[^" + q + rb"]++|" + q + q + rb")*+"
        return re.compile(self._skip + rb"(" + body + rb"(" + q + rb")?)(?=([" + d + rb"\r\n]|\Z)?)")

    @cached_property
    def _end(self) -> re.Pattern[bytes]:
        q, d = re.escape(self.quote), re.escape(self.delimiter)
        return re.compile(rb"(?:[^" + q + rb"]++|" + q + q + rb")*+" + q + rb"(?=[" + d + rb"\r\n]|\Z)")

    def spans(self, text: bytes) -> Iterator[Span]:
        """The quoted fields of `text` that hold line ends, where lines may be joined. It begins with a record."""
        position = 0
        while match := self._span.match(text, position):
            position = match.end(1)
            yield Span(match.start(1), position, match[2] is not None, match[3] is not None)

    def leaves_open(self, text: bytes) -> bool:
        """Whether a quoted field in any line of `text` does not end on it."""
        return self._open_line.match(text) is not None

    def broken_lines(self, text: bytes) -> list[tuple[int, int]]:
        """Byte ranges of the lines of `text` that are not whole records, where each line is to be one.

        They are the lines on which a quoted field does not end, and, where it ends as it should within `REACH`,
        those that follow up to its end. A stray quote does not end as it should and breaks its own line only. Each line
        is judged by those within `REACH` alone, so that the answer does not depend on where a file is cut.
        """
        found: list[tuple[int, int]] = []
        position = 0
        while match := self._open_line.match(text, position):
            opened, position = match.span(1)
            begin = max(text.rfind(b"\n", 0, opened), text.rfind(b"\r", 0, opened)) + 1
            end = self._end.match(text, position, begin + REACH + 1)
            behind = end.end() if end and end.end() <= min(begin + REACH, len(text)) else position
            stop = _line_end(text, behind)
            if found and begin <= found[-1][1]:
                found[-1] = (found[-1][0], max(stop, found[-1][1]))
            else:
                found.append((begin, stop))
        return found


_LINE_END = re.compile(rb"\r\n?|\n|\Z")


def _line_end(text: bytes, position: int) -> int:
    """Offset behind the line end that follows `position`."""
    match = _LINE_END.search(text, position)
    assert match is not None, "the end of the text matches"
    return match.end()
