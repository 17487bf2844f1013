"""CSV text to rows of Arrow columns, with what is no row of the file's columns set apart."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.batch import BadRow
from airflow_batchscore.data.lines import Lines
from airflow_batchscore.data.quoting import Quoting
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pc

#: Arrow parses this much at a time where no field can hold a line end: it stays in the processor's cache.
_PIECE_BYTES = 1 << 20
_TAIL_BYTES = 1 << 12

_BROKEN = (
    "the line is part of a quoted field that does not end on it. If fields of this file may hold line ends, read it "
    'with read_options={"newlines_in_values": True}; if not, a quote is missing or one too many'
)


def quoting_of(options: Mapping[str, Any]) -> Quoting:
    """Quote character and delimiter of ``read_options``."""
    return Quoting(options.get("quotechar", '"').encode(), options.get("delimiter", ",").encode())


def parse_header(line: bytes, options: Mapping[str, Any], uri: str) -> tuple[str, ...]:
    """Column names of the first line. Raises InputError when it is not text."""
    try:
        text = line.decode(options.get("encoding") or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(f"the header of {uri} is not {error.encoding} ({error.reason}); give the encoding") from error
    delimiter, quote = options.get("delimiter", ","), options.get("quotechar", '"')
    if text.count(quote) % 2:
        raise InputError(f"the header of {uri} has a line end inside a quoted name; rename the column")
    try:
        return tuple(next(csv.reader(io.StringIO(text.strip("\r\n")), delimiter=delimiter, quotechar=quote), ()))
    except csv.Error as error:
        raise InputError(f"the header of {uri} cannot be read: {error}") from error


@dataclass(frozen=True)
class Text:
    """Lines that can be parsed, without those that are no records.

    Attributes:
        raw: the text that is left.
        bad: the lines that were left out, as rows of the chunk.
        lines: how many of the chunk hold anything, with those left out; 0 where it does not matter.
        doubt: the chunk, as long as some of its lines may be no records: then it parses to fewer rows than `lines`.
    """

    raw: memoryview | bytes
    quoted: bool
    bad: list[BadRow]
    lines: int = 0
    doubt: Lines | None = None


@dataclass(frozen=True)
class Rows:
    """Rows of a chunk.

    Attributes:
        positions: their numbers among all rows of the chunk.
        bad: those that are not in `table`.
        padded: how many rows of `table` had cells left off at their end.
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

    def __init__(self, header: Sequence[str], options: Mapping[str, Any]) -> None:
        self._header = list(header)
        self._options = options
        self._quoting = quoting_of(options)
        self._joined = bool(options.get("newlines_in_values"))
        self._pads = bool(options.get("pad_short_rows"))

    def text(self, lines: Lines) -> Text:
        """What of `lines` can be parsed, as far as a quick look tells."""
        if not lines.quoted or self._joined:
            return Text(lines.raw, lines.quoted, [])
        # A field that goes over several lines leaves fewer rows than lines, but for one that the last line opens.
        if self._quoting.leaves_open(lines.before) or self._quoting.leaves_open(_last_line(lines.raw)):
            return self._without_broken(lines)
        return Text(lines.raw, True, [], _count_lines(lines.raw), lines)

    def settled(self, text: Text) -> Text:
        """The text without lines that are no records of their own."""
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
            row += _count_lines(kept[-1])
            broken = [line for line in whole[start:stop].replace(b"\r", b"\n").split(b"\n") if line]
            bad += [BadRow(row + n, "ParseError", _BROKEN, {"line": as_text(line)}) for n, line in enumerate(broken)]
            row, place = row + len(broken), stop
        kept.append(whole[place:last])
        return Text(b"".join(kept), True, bad, row + _count_lines(kept[-1]))

    def parse(self, text: Text, convert: pc.ConvertOptions) -> Rows:
        """The rows of `text`.

        Raises:
            pa.ArrowInvalid: a cell does not fit, or a row that is none is not UTF-8; `cells` takes both.
        """
        import numpy as np
        import pyarrow as pa

        table, malformed = self._read(text.raw, text.quoted, convert)
        if text.doubt is not None and table.num_rows + len(malformed) != text.lines:
            return self.parse(self.settled(text), convert)
        numbers = np.array([row.number - 1 for row in malformed], dtype=np.int64)
        positions = np.arange(table.num_rows + len(malformed))
        if malformed:
            positions = np.delete(positions, numbers)
        short = [n for n, row in enumerate(malformed) if self._pads and row.actual_columns < row.expected_columns]
        if short:
            # In one piece with the others, so that a type that Arrow finds is that of all rows.
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
            # Arrow gives up at a malformed row that is not UTF-8. Each byte as a character of its own always is.
            text = self.settled(text)
            rows = self.parse(as_latin1(text), convert)
        columns = {name: [_narrow(cell) for cell in rows.table.column(name).to_pylist()] for name in names}
        table = pa.table({name: pa.array(column, pa.binary()) for name, column in columns.items()})
        wide = {row.position for row in text.bad}
        bad = [row if row.position in wide else replace(row, raw=_narrow_texts(row.raw)) for row in rows.bad]
        return replace(rows, table=table if names else rows.table, bad=bad)

    def _read(self, raw: memoryview | bytes, quoted: bool, convert: pc.ConvertOptions) -> tuple[pa.Table, list[Any]]:
        import pyarrow as pa

        malformed: list[Any] = []

        def keep(row: Any) -> str:
            malformed.append(row)
            return "skip"

        whole = max(len(raw), 1)
        piece, handler = whole if quoted else min(whole, _PIECE_BYTES), None
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
                    handler = keep  # it gets rows as text
                else:
                    raise

    def _read_once(self, raw: memoryview | bytes, convert: pc.ConvertOptions, piece: int, handler: Any) -> pa.Table:
        import pyarrow as pa
        import pyarrow.csv as pc

        return pc.read_csv(
            pa.BufferReader(raw),
            pc.ReadOptions(column_names=self._header, use_threads=False, block_size=min(piece, 2**31 - 1)),
            pc.ParseOptions(
                delimiter=self._options.get("delimiter", ","),
                quote_char=self._options.get("quotechar", '"'),
                newlines_in_values=self._joined,
                invalid_row_handler=handler,
            ),
            convert,
        )

    def _filled(self, row: Any) -> str:
        """A short row with empty cells at its end."""
        missing = row.expected_columns - row.actual_columns
        return f"{row.text}{self._options.get('delimiter', ',') * missing}"

    def _malformed(self, position: int, row: Any) -> BadRow:
        message = f"expected {row.expected_columns} fields, found {row.actual_columns}"
        if row.actual_columns < row.expected_columns:
            message += (
                '. If cells at the end of a row may be left off, read_options={"pad_short_rows": True} takes them as '
                "empty"
            )
        return BadRow(position, "ParseError", message, {"line": row.text})


def _with_broken(rows: Rows, text: Text) -> Rows:
    """The rows with the lines that were left out before in their places."""
    import numpy as np

    if not text.bad:
        return rows
    left = np.delete(np.arange(text.lines), [row.position for row in text.bad])
    bad = [replace(row, position=int(left[row.position])) for row in rows.bad]
    return replace(rows, positions=left[rows.positions], bad=sorted([*bad, *text.bad], key=lambda row: row.position))


def _count_lines(text: bytes | memoryview) -> int:
    """Lines that hold anything; Arrow, like pandas, takes no row from an empty one."""
    import numpy as np

    array, count, inside = np.frombuffer(text, np.uint8), 0, False
    for start in range(0, len(array), _PIECE_BYTES):
        piece = array[start : start + _PIECE_BYTES]
        filled = (piece != 10) & (piece != 13)
        count += int(np.count_nonzero(filled[1:] > filled[:-1])) + int(filled[0] and not inside)
        inside = bool(filled[-1])
    return count


def _last_line(text: memoryview) -> bytes:
    """The last line that holds anything."""
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
    """Each byte as a character of its own, so that all of it is UTF-8."""
    return replace(text, raw=bytes(text.raw).decode("latin-1").encode())


def _narrow(cell: bytes | None) -> bytes | None:
    return None if cell is None else cell.decode().encode("latin-1")


def _narrow_texts(raw: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name: value and as_text(value.encode("latin-1")) for name, value in raw.items()}


def as_text(value: bytes) -> str:
    """For people, whatever the bytes are."""
    return value.decode("utf-8", "backslashreplace")
