"""Parses CSV text into rows of Arrow columns, setting apart what is not a row of the file's columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_batchscore.data.batch import BadRow
from airflow_batchscore.data.formats.csv_options import require_escapes, row_advice, uncommented
from airflow_batchscore.data.formats.csv_quoting import PIECE_BYTES, Quoting, count_lines, each_line_is_a_row
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.data.formats.text_types import OTHER_ENCODING
from airflow_batchscore.data.json_types import JsonMapping
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pc

_TAIL_BYTES = 1 << 12

_BROKEN = (
    "the line is part of a quoted field that does not end on it. If fields of this file may hold line ends, read it "
    'with read_options={"newlines_in_values": True}; if not, a quote is missing or one too many'
)


def quoting_of(options: JsonMapping) -> Quoting:
    """Quote character and delimiter from ``read_options``."""
    marks = (options.get("quotechar", '"'), options.get("delimiter", ","), options.get("escapechar") or "")
    return Quoting(*(mark.encode() for mark in marks))


def parse_header(line: bytes, options: JsonMapping, uri: str) -> tuple[str, ...]:
    """Column names from the first line. Raises InputError if it is not text."""
    try:
        text = line.decode(options.get("encoding") or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(f"the header of {uri} is not {error.encoding} ({error.reason}). {OTHER_ENCODING}") from error
    delimiter, quote, escape = options.get("delimiter", ","), options.get("quotechar", '"'), options.get("escapechar")
    quotes = text.count(quote) - (text.count(f"{escape}{quote}") if escape else 0)
    if quotes % 2:
        raise InputError(f"the header of {uri} has a line end inside a quoted name; rename the column")
    try:
        source = io.StringIO(text.strip("\r\n"))
        return tuple(next(csv.reader(source, delimiter=delimiter, quotechar=quote, escapechar=escape), ()))
    except csv.Error as error:
        raise InputError(f"the header of {uri} cannot be read: {error}") from error


@dataclass(frozen=True)
class Text:
    """Lines that can be parsed, without those that are not records.

    Attributes:
        raw: the remaining text.
        bad: the lines that were left out, as rows of the chunk.
        lines: number of non-empty lines in the chunk, including those left out; 0 if none was.
        doubt: the chunk, while some of its lines may not be records; it then parses to fewer rows than it has lines.
    """

    raw: memoryview | bytes
    quoted: bool
    bad: list[BadRow]
    lines: int = 0
    doubt: Lines | None = None


@dataclass(frozen=True)
class Rows:
    """Parsed rows of a chunk.

    Attributes:
        positions: their row numbers in the chunk.
        bad: the rows that are not in `table`.
        padded: number of rows in `table` with missing trailing cells.
    """

    table: pa.Table
    positions: np.ndarray
    bad: list[BadRow]
    padded: int = 0


class RowParser:
    """Parses the rows of one layout.

    Args:
        header: the file's column names, in order.
        options: ``PartitionedDataset.read_options``.
    """

    def __init__(self, header: Sequence[str], options: JsonMapping) -> None:
        self._header = list(header)
        self._options = options
        self._quoting = quoting_of(options)
        self._joined = bool(options.get("newlines_in_values"))
        self._pads = bool(options.get("pad_short_rows"))

    def text(self, lines: Lines) -> Text:
        """The part of `lines` that can be parsed, judging by a quick look.

        Raises InputError for what may not be escaped.
        """
        if self._options.get("comment"):
            lines = uncommented(lines, self._options)
        if self._options.get("escapechar"):
            require_escapes(lines.raw, self._options)
        if not lines.quoted or self._joined:
            return Text(lines.raw, lines.quoted, [])
        # A field spanning several lines leaves fewer rows than lines, unless the last line opens it.
        if self._quoting.leaves_open(lines.before) or self._quoting.leaves_open(_last_line(lines.raw)):
            return self._without_broken(lines)
        return Text(lines.raw, True, [], doubt=lines)

    def settled(self, text: Text) -> Text:
        """The text without lines that are not records by themselves."""
        return text if text.doubt is None else self._without_broken(text.doubt)

    def _without_broken(self, lines: Lines) -> Text:
        whole = b"".join((lines.before, lines.raw, lines.after))
        first, last = len(lines.before), len(lines.before) + len(lines.raw)
        cuts = [(max(a, first), min(b, last)) for a, b in self._quoting.broken_lines(whole) if a < last and b > first]
        if not cuts:
            return Text(lines.raw, True, [])
        kept, bad, row, place = [], list[BadRow](), 0, first
        for start, stop in cuts:
            kept.append(whole[place:start])
            row += count_lines(kept[-1])
            broken = [line for line in whole[start:stop].replace(b"\r", b"\n").split(b"\n") if line]
            bad += [BadRow(row + n, "ParseError", _BROKEN, {"line": as_text(line)}) for n, line in enumerate(broken)]
            row, place = row + len(broken), stop
        kept.append(whole[place:last])
        return Text(b"".join(kept), True, bad, row + count_lines(kept[-1]))

    def parse(self, text: Text, convert: pc.ConvertOptions) -> Rows:
        """The rows of `text`.

        Raises:
            pa.ArrowInvalid: a cell does not fit, or a malformed row is not UTF-8; `cells` handles both.
        """
        import numpy as np
        import pyarrow as pa

        table, malformed = self._read(text.raw, text.quoted, convert)
        if text.doubt is not None and not each_line_is_a_row(text.raw, table.num_rows + len(malformed)):
            return self.parse(self.settled(text), convert)
        numbers = np.array([row.number - 1 for row in malformed], dtype=np.int64)
        positions = np.arange(table.num_rows + len(malformed))
        if malformed:
            positions = np.delete(positions, numbers)
        short = [n for n, row in enumerate(malformed) if self._pads and row.actual_columns < row.expected_columns]
        if short:
            # Parsed together with the others, so that a type inferred by Arrow covers all rows.
            filled = "\n".join(self._filled(malformed[n]) for n in short).encode()
            table, _ = self._read(b"\n".join((text.raw, filled)), text.quoted, convert)
            positions = np.concatenate([positions, numbers[short]])
            order = np.argsort(positions)
            table, positions = table.take(pa.array(order)), positions[order]
        padded = set(short)
        left = [n for n in range(len(malformed)) if n not in padded]
        bad = [self._malformed(int(numbers[n]), malformed[n]) for n in left]
        return _with_broken(Rows(table, positions, bad, len(short)), text)

    def cells(self, text: Text, names: Sequence[str]) -> Rows:
        """The rows with their cells as bytes."""
        import pyarrow as pa
        import pyarrow.csv as pc

        convert = pc.ConvertOptions(
            include_columns=names, column_types=dict.fromkeys(names, pa.binary()), null_values=[]
        )
        try:
            return self.parse(text, convert)
        except pa.ArrowInvalid:
            # Arrow fails on a malformed row that is not UTF-8. Mapping each byte to a character always yields UTF-8.
            text = self.settled(text)
            rows = self.parse(as_latin1(text), convert)
        columns = {name: [_narrow(cell) for cell in rows.table.column(name).to_pylist()] for name in names}
        table = pa.table({name: pa.array(column, pa.binary()) for name, column in columns.items()})
        wide = {row.position for row in text.bad}
        bad = [row if row.position in wide else replace(row, raw=_narrow_texts(row.raw)) for row in rows.bad]
        return replace(rows, table=table if names else rows.table, bad=bad)

    def _read(
        self, raw: memoryview | bytes, quoted: bool, convert: pc.ConvertOptions
    ) -> tuple[pa.Table, list[pc.InvalidRow]]:
        import pyarrow as pa

        malformed: list[object] = []

        def keep(row: pc.InvalidRow) -> str:
            malformed.append(row)
            return "skip"

        whole = max(len(raw), 1)
        # If no field can hold a line end; a piece that ends within a field could make as many rows of it as lines.
        piece, handler = whole if quoted else min(whole, PIECE_BYTES), None
        while True:
            malformed.clear()
            try:
                return self._read_once(raw, convert, piece, handler), malformed
            except pa.ArrowInvalid as error:
                text = str(error)
                if "Empty CSV file" in text:
                    types = convert.column_types
                    empty = {name: pa.array([], types.get(name, pa.null())) for name in convert.include_columns}
                    return pa.table(empty), []
                if "straddling" in text and piece < whole:  # a row is longer than a piece
                    piece = whole
                elif "CSV parse error" in text and handler is None and _is_utf8(raw):
                    handler = keep  # receives rows as text
                else:
                    raise

    def _read_once(self, raw: memoryview | bytes, convert: pc.ConvertOptions, piece: int, handler: object) -> pa.Table:
        import pyarrow as pa
        import pyarrow.csv as pc

        table = pc.read_csv(
            pa.BufferReader(raw),
            pc.ReadOptions(column_names=self._header, use_threads=False, block_size=min(piece, 2**31 - 1)),
            pc.ParseOptions(
                delimiter=self._options.get("delimiter", ","),
                quote_char=self._options.get("quotechar", '"'),
                escape_char=self._options.get("escapechar") or False,
                newlines_in_values=self._joined,
                invalid_row_handler=handler,
            ),
            convert,
        )
        return table.combine_chunks()  # to take rows of one chunk is several times as fast

    def _filled(self, row: pc.InvalidRow) -> str:
        """A short row padded with empty trailing cells."""
        missing = row.expected_columns - row.actual_columns
        return f"{row.text}{self._options.get('delimiter', ',') * missing}"

    def _malformed(self, position: int, row: pc.InvalidRow) -> BadRow:
        message = f"expected {row.expected_columns} fields, found {row.actual_columns}"
        message += row_advice(row.text, self._options, short=row.actual_columns < row.expected_columns)
        return BadRow(position, "ParseError", message, {"line": row.text})


def _with_broken(rows: Rows, text: Text) -> Rows:
    """The rows, with the lines left out earlier back in their positions."""
    import numpy as np

    if not text.bad:
        return rows
    left = np.delete(np.arange(text.lines), [row.position for row in text.bad])
    bad = [replace(row, position=int(left[row.position])) for row in rows.bad]
    return replace(rows, positions=left[rows.positions], bad=sorted([*bad, *text.bad], key=lambda row: row.position))


def _last_line(text: memoryview) -> bytes:
    """The last non-empty line."""
    length = min(_TAIL_BYTES, len(text))
    while True:
        tail = bytes(text[len(text) - length :]).rstrip(b"\r\n")
        begin = max(tail.rfind(b"\n"), tail.rfind(b"\r")) + 1
        if begin or length == len(text):
            return tail[begin:]
        length = min(2 * length, len(text))


def _is_utf8(raw: memoryview | bytes) -> bool:
    try:
        str(raw, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def as_latin1(text: Text) -> Text:
    """Map each byte to a character, so that all text is UTF-8."""
    return replace(text, raw=bytes(text.raw).decode("latin-1").encode())


def _narrow(cell: bytes | None) -> bytes | None:
    return None if cell is None else cell.decode().encode("latin-1")


def _narrow_texts(raw: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name: value and as_text(value.encode("latin-1")) for name, value in raw.items()}


def as_text(value: bytes) -> str:
    """Any bytes as text, for display."""
    return value.decode("utf-8", "backslashreplace")
