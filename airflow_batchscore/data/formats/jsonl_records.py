"""Lines of JSON, one object each: quickly by Arrow where that is safe, else line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from airflow_batchscore.data.formats.csv_rows import as_text
from airflow_batchscore.data.formats.lines import Lines

if TYPE_CHECKING:
    import pyarrow as pa

#: A bare null after an object; it crashes Arrow.
_BARE_NULL = re.compile(rb"\}[ \t\r]*null")
#: A spelling that Arrow alone accepts.
_INF = re.compile(rb"Inf(?![A-Za-z])(?<=[-:,\[ \t]Inf)")
_BLANK = b" \t\r"


class Number(str):
    """A number as it is written, such as ``1.50``."""

    __slots__ = ()


class Members(list[tuple[str, object]]):
    """Names and values of an object, in order; a name can be there twice."""


class Record(NamedTuple):
    """One line: its members; or, if it does not hold one object, what is wrong with it.

    Attributes:
        text: the line, for display.
    """

    members: Members | None
    problem: str = ""
    text: str = ""


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=Number, object_pairs_hook=Members)


def records(lines: Lines) -> Iterator[Record]:
    """The lines one by one, without blank ones. Values are None, bool, str, `Number`, list or `Members`."""
    for line in bytes(lines.raw).split(b"\n"):
        if line.strip(_BLANK):
            yield _record(line)


def _record(line: bytes) -> Record:
    try:
        # Bytes that are not UTF-8 matter only in values that are read.
        value = _DECODER.decode(line.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        return Record(None, f"the line is not JSON: {error}", as_text(line))
    if not isinstance(value, Members):
        return Record(None, "the line is JSON, but not an object: {...}", as_text(line))
    return Record(value)


def parse(lines: Lines, schema: pa.Schema | None) -> pa.Table | None:
    """The rows as Arrow reads them; None if `records` must be used.

    Args:
        schema: columns to read; None finds all columns and their types.
    """
    import pyarrow as pa
    import pyarrow.json as pj

    count = _object_lines(lines.raw)
    if not count:
        return None
    how = {} if schema is None else {"explicit_schema": schema, "unexpected_field_behavior": "ignore"}
    try:
        table = pj.read_json(
            pa.BufferReader(lines.raw),
            pj.ReadOptions(use_threads=False, block_size=len(lines.raw) + 1),
            pj.ParseOptions(**how),
        )
        for column in table.columns:
            column.validate(full=True)  # whether text is UTF-8
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == count else None


def _object_lines(raw: memoryview) -> int:
    """The number of lines, if each begins with ``{`` and ends with ``}``; else 0.

    Arrow takes objects one after another, wherever lines end. If each line looks like an object and there are as many
    objects as lines, each line is one.
    """
    import numpy as np

    text = np.frombuffer(raw, np.uint8)
    if not len(text) or _BARE_NULL.search(raw) or _INF.search(raw):
        return 0
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate([[0], ends + 1])
    if text[-1] == ord("\n"):
        starts = starts[:-1]
    else:
        ends = np.append(ends, len(text))
    last = text[ends - 1]
    last = np.where(last == ord("\r"), text[np.maximum(ends - 2, 0)], last)
    whole = (text[starts] == ord("{")).all() and (last == ord("}")).all()
    return len(starts) if whole else 0


def names_in(lines: Lines) -> Sequence[str]:
    """The names of the objects, in order of appearance; empty if no line is an object."""
    table = parse(lines, None)
    if table is not None:
        return list(table.column_names)
    return list(dict.fromkeys(name for record in records(lines) for name, _ in record.members or ()))
