"""The types that columns of CSV text appear to have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.formats.csv_numbers import Numbers, beyond_floats, rounded
from airflow_batchscore.data.formats.csv_reader import NULL_VALUES, truth_options
from airflow_batchscore.data.formats.csv_rows import RowParser, Text, as_latin1
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.data.json_types import JsonMapping

if TYPE_CHECKING:
    import pyarrow as pa

_HEX = re.compile(rb"0[xX]")


def found_schema(lines: Lines, header: Sequence[str], names: Sequence[str], options: JsonMapping) -> pa.Schema:
    """The types that the columns `names` of some lines appear to have: integers, floats, Booleans, times or text.

    Integers that no float holds exactly, such as long ids, are text, so nothing is rounded. So are hexadecimal numbers,
    which pandas does not read as numbers.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    numbers = Numbers.of(options)
    convert = pc.ConvertOptions(
        include_columns=names,
        null_values=options.get("null_values", NULL_VALUES),
        strings_can_be_null=True,
        timestamp_parsers=[],
        decimal_point=numbers.decimal,
        **truth_options(),
    )
    parser = RowParser(header, options)
    text = parser.text(lines)
    try:
        table = parser.parse(text, convert).table
    except pa.ArrowInvalid:
        text = as_latin1(parser.settled(text))
        table = parser.parse(text, convert).table
    may_be_hex = _HEX.search(text.raw) is not None
    looked_at = [
        name
        for name in names
        if beyond_floats(table.column(name)) or (may_be_hex and table.column(name).type == pa.int64())
    ]
    schema = table.schema
    if looked_at:
        convert = pc.ConvertOptions(
            include_columns=looked_at, column_types=dict.fromkeys(looked_at, pa.string()), null_values=[]
        )
        cells = parser.parse(text, convert).table
        for name in looked_at:
            if _is_text(cells.column(name).combine_chunks(), table.column(name).cast(pa.float64(), safe=False)):
                schema = schema.set(schema.get_field_index(name), pa.field(name, pa.string()))
    texts = [name for name in names if schema.field(name).type == pa.string() and name not in looked_at]
    return _with_groups(schema, parser, text, texts, options) if numbers.thousands and texts else schema


def _with_groups(
    schema: pa.Schema, parser: RowParser, text: Text, names: Sequence[str], options: JsonMapping
) -> pa.Schema:
    """The types, with numbers for the columns of `names` that hold numbers with groups of digits."""
    import pyarrow as pa
    import pyarrow.compute as pcompute
    import pyarrow.csv as pc

    numbers = Numbers.of(options)
    convert = pc.ConvertOptions(
        include_columns=names,
        column_types=dict.fromkeys(names, pa.string()),
        null_values=options.get("null_values", NULL_VALUES),
        strings_can_be_null=True,
    )
    table = parser.parse(text, convert).table
    for name in names:
        cells = pcompute.utf8_trim_whitespace(table.column(name).combine_chunks())
        if not numbers.are_all(cells):
            continue
        cells = numbers.plain(cells)
        values = cells.cast(pa.float64())
        if not rounded(cells, values):
            whole = bool(pcompute.all(pcompute.match_substring_regex(cells, r"^[+-]?\d+$")).as_py())
            schema = schema.set(schema.get_field_index(name), pa.field(name, pa.int64() if whole else pa.float64()))
    return schema


def _is_text(cells: pa.Array, numbers: pa.Array) -> bool:
    """Whether Arrow read a number that pandas would not, or that no float holds."""
    import pyarrow.compute as pcompute

    return bool(pcompute.any(pcompute.match_substring_regex(cells, "^[ \t]*0[xX]")).as_py() or rounded(cells, numbers))
