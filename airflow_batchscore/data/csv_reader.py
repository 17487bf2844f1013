"""CSV bytes to typed Arrow columns, with the rows that do not parse set apart rather than lost or fatal.

Rows are parsed by Arrow. The quick way converts whole columns; when a cell of the chunk does not fit its
type, the chunk is read again as bytes and only the cells that fail are searched for.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.batch import BadRow, Batch
from airflow_batchscore.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pc

#: Column types by the names that datasets, signatures and documents use.
TYPE_NAMES = ("float64", "int64", "bool", "string")

#: Texts read as missing, as pandas has them; ``read_options={"null_values": [...]}`` replaces them.
NULL_VALUES = ("", "#N/A", "#NA", "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null", "None")

_EXPECTED = {"double": "a number", "int64": "a whole number", "bool": "true or false", "string": "UTF-8 text"}


def arrow_type(name: str) -> pa.DataType:
    import pyarrow as pa

    if name not in TYPE_NAMES:
        raise InputError(f"column type {name!r} is unknown; use one of {', '.join(TYPE_NAMES)}")
    return {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}[name]


def parse_header(line: bytes, options: Mapping[str, Any], uri: str) -> tuple[str, ...]:
    """Column names of the first line. Raises InputError when it is not text."""
    try:
        text = line.decode(options.get("encoding") or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(f"the header of {uri} is not {error.encoding} ({error.reason}); give the encoding") from error
    delimiter, quote = options.get("delimiter", ","), options.get("quotechar", '"')
    if text.count(quote) % 2:
        raise InputError(f"the header of {uri} has a line end inside a quoted name; rename the column")
    return tuple(next(csv.reader(io.StringIO(text.strip("\r\n")), delimiter=delimiter, quotechar=quote), ()))


class CsvReader:
    """Reads chunks and streams of one layout: a header, the columns wanted and their types.

    Args:
        header: the file's column names, in order.
        columns: name -> type name of the columns to read, text when None; other columns are not converted.
        options: ``PartitionedDataset.read_options``.
        keys: likewise, of the columns that go with the scores.
    """

    def __init__(
        self,
        header: tuple[str, ...],
        columns: Mapping[str, str | None],
        options: Mapping[str, Any],
        keys: Mapping[str, str | None] | None = None,
    ) -> None:
        self.header = list(header)
        self.columns, self.keys = list(columns), list(keys or {})
        self.types = {name: arrow_type(kind or "string") for name, kind in {**(keys or {}), **columns}.items()}
        self.options = options
        self.nulls = list(options.get("null_values", NULL_VALUES))

    def read_chunk(self, raw: bytes | memoryview, *, quoted: bool = True) -> Batch:
        """All rows of `raw`, which begins and ends at row boundaries and has no header.

        Args:
            quoted: whether `raw` may hold quote characters; without any it is parsed faster.
        """
        import pyarrow as pa
        import pyarrow.csv as pc

        malformed: list[Any] = []

        def read(convert: pc.ConvertOptions) -> pa.Table:
            malformed.clear()
            # One Arrow block for the whole chunk: a quoted newline can then never meet a block boundary.
            size = max(len(raw), 1) if quoted else 1 << 20
            return pc.read_csv(
                pa.BufferReader(raw),
                pc.ReadOptions(column_names=self.header, use_threads=False, block_size=min(size, 2**31 - 1)),
                self._parse_options(malformed, quoted),
                convert,
            )

        try:
            table = read(self._convert_options())
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return self._batch(self._empty(), [], [], 0)[0]
            table, failed = self._convert(read(self._bytes_options()))
        else:
            failed = []
        batch, trailing = self._batch(table, failed, [(row.number - 1, row) for row in malformed], 0)
        return replace(batch, bad=batch.bad + [_malformed_row(*item) for item in trailing])

    def read_stream(self, stream: Any, uri: str, chunk_bytes: int) -> Iterator[Batch]:
        """Batches of a whole file, header included, read once from front to back, about `chunk_bytes` at a time."""
        import pyarrow as pa
        import pyarrow.csv as pc

        malformed: list[Any] = []
        encoding = self.options.get("encoding") or "utf8"
        read = pc.ReadOptions(use_threads=False, block_size=chunk_bytes)
        if encoding.lower().replace("-", "") != "utf8":
            stream = pa.transcoding_input_stream(stream, encoding, "utf8")
        start, waiting = 0, list[tuple[int, Any]]()
        try:
            reader = pc.open_csv(stream, read, self._parse_options(malformed, quoted=True), self._bytes_options())
            for cells in reader:
                # Arrow numbers rows from 1 and counts the header; it may have read ahead of this batch.
                waiting += [(row.number - 2, row) for row in malformed]
                malformed.clear()
                table, failed = self._convert(pa.Table.from_batches([cells]))
                batch, waiting = self._batch(table, failed, waiting, start)
                start += batch.rows_read
                yield batch
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header without a line end
                return
            raise InputError(f"{uri} cannot be read as CSV after row {start}: {error}") from error
        waiting += [(row.number - 2, row) for row in malformed]
        if waiting:
            yield replace(self._batch(self._empty(), [], [], 0)[0], bad=[_malformed_row(*i) for i in waiting])

    def _parse_options(self, malformed: list[Any], quoted: bool) -> pc.ParseOptions:
        import pyarrow.csv as pc

        def keep(row: Any) -> str:
            malformed.append(row)
            return "skip"

        return pc.ParseOptions(
            delimiter=self.options.get("delimiter", ","),
            quote_char=self.options.get("quotechar", '"'),
            newlines_in_values=quoted,
            invalid_row_handler=keep,
        )

    def _convert_options(self) -> pc.ConvertOptions:
        import pyarrow.csv as pc

        return pc.ConvertOptions(
            include_columns=list(self.types),
            column_types=self.types,
            null_values=self.nulls,
            strings_can_be_null=True,
        )

    def _bytes_options(self) -> pc.ConvertOptions:
        import pyarrow as pa
        import pyarrow.csv as pc

        return pc.ConvertOptions(
            include_columns=list(self.types), column_types=dict.fromkeys(self.types, pa.binary()), null_values=[]
        )

    def _empty(self) -> pa.Table:
        import pyarrow as pa

        return pa.schema(list(self.types.items())).empty_table()

    def _convert(self, cells: pa.Table) -> tuple[pa.Table, list[tuple[int, str, dict[str, str | None]]]]:
        """Typed columns of byte cells, and (row, message, raw) of the rows whose cells do not fit."""
        import numpy as np
        import pyarrow as pa

        columns, problems = {}, dict[int, str]()
        for name, wanted in self.types.items():
            column = cells.column(name).combine_chunks()
            columns[name], failed = _cast_cells(column, wanted, self.nulls)
            for row in failed:
                value = _text(column[row].as_py())
                problems.setdefault(row, f"column {name!r}: expected {_EXPECTED[str(wanted)]}, found {value!r}")
        table = pa.table(columns) if columns else cells
        if not problems:
            return table, []
        rows = sorted(problems)
        raw = cells.take(rows).to_pylist()
        kept = np.ones(cells.num_rows, dtype=bool)
        kept[rows] = False
        failures = [
            (row, problems[row], {k: _text(v) for k, v in cell.items()}) for row, cell in zip(rows, raw, strict=True)
        ]
        return table.filter(pa.array(kept)), failures

    def _batch(
        self,
        table: pa.Table,
        failed: list[tuple[int, str, dict[str, str | None]]],
        malformed: list[tuple[int, Any]],
        start: int,
    ) -> tuple[Batch, list[tuple[int, Any]]]:
        """Number the rows of a batch from `start`, malformed ones in their places among them.

        `failed` counts within the rows that parsed, `malformed` within the file. Returned beside the batch are
        the malformed rows that come after its last row.
        """
        import numpy as np

        parsed = table.num_rows + len(failed)
        if not failed and not malformed:
            return self._made(table, np.arange(start, start + parsed), []), []
        stop, inside = start + parsed, 0
        while inside < len(malformed) and malformed[inside][0] < stop:
            stop, inside = stop + 1, inside + 1
        positions = np.delete(np.arange(start, stop), [position - start for position, _ in malformed[:inside]])
        bad = [_malformed_row(*item) for item in malformed[:inside]]
        bad += [BadRow(int(positions[row]), "ParseError", message, raw) for row, message, raw in failed]
        good = np.delete(positions, [row for row, _, _ in failed])
        return self._made(table, good, sorted(bad, key=lambda row: row.position)), malformed[inside:]

    def _made(self, table: pa.Table, positions: np.ndarray, bad: list[BadRow]) -> Batch:
        return Batch(table.select(self.columns), positions, bad, table.select(self.keys))


def _malformed_row(position: int, row: Any) -> BadRow:
    message = f"expected {row.expected_columns} fields, found {row.actual_columns}"
    return BadRow(position, "ParseError", message, {"line": row.text})


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _cast_cells(column: pa.Array, wanted: pa.DataType, nulls: list[str]) -> tuple[pa.Array, list[int]]:
    """Bytes to `wanted`, with null where a cell does not fit, and the rows of those cells."""
    import pyarrow as pa
    import pyarrow.compute as pcompute

    text, failed = _cast_by_halves(column, pa.string())
    if wanted != pa.string():
        text = pcompute.utf8_trim_whitespace(text)
    missing = pcompute.is_in(text, value_set=pa.array(nulls, pa.string()))
    text = pcompute.if_else(missing, pa.scalar(None, pa.string()), text)
    if wanted == pa.string():
        return text, failed
    values, unfit = _cast_by_halves(text, wanted)
    return values, sorted({*failed, *unfit})


def _cast_by_halves(column: pa.Array, wanted: pa.DataType, offset: int = 0) -> tuple[pa.Array, list[int]]:
    """Cast a whole column at once; when that fails, halve it, so that few bad cells cost few casts."""
    import pyarrow as pa

    try:
        return column.cast(wanted), []
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if len(column) == 1:
            return pa.nulls(1, wanted), [offset]
    middle = len(column) // 2
    left, bad_left = _cast_by_halves(column.slice(0, middle), wanted, offset)
    right, bad_right = _cast_by_halves(column.slice(middle), wanted, offset + middle)
    return pa.concat_arrays([left, right]), bad_left + bad_right
