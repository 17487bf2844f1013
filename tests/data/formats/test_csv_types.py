"""The types that columns of text appear to have."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_batchscore.data.formats.csv_types import found_schema
from airflow_batchscore.data.formats.lines import Lines

pytestmark = pytest.mark.unit


def _lines(raw: bytes) -> Lines:
    return Lines(memoryview(raw), quoted=b'"' in raw)


def test_what_types_columns_look_like_is_judged_by_the_rows_that_parse() -> None:
    schema = found_schema(_lines(b'1,2.5,x\n2,3,"y\n4,5\n\xff,1,2,3\n'), ("i", "f", "s"), ["s", "i", "f"], {})
    assert [str(kind) for kind in schema.types] == ["string", "int64", "double"]


def test_whole_numbers_that_no_float_holds_look_like_text() -> None:
    raw = b"1,9007199254740992,9007199254740993,12345678901234567891,1e300,9007199254740993.5\n,2,,3,1e301,\n"
    names = ("small", "exact", "id", "long", "huge", "point")
    schema = found_schema(_lines(raw), names, names, {})
    assert [str(kind) for kind in schema.types] == ["int64", "int64", "string", "string", "double", "double"]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["true", "false", "True", "FALSE", "tRUE"], pa.bool_()),
        (["true", "false", "1", "0"], pa.string()),
        (["1", "0"], pa.int64()),
        (["0x1F", "0X2", "3"], pa.string()),
        (["0x1F", "1.5"], pa.string()),
        (["10", "200"], pa.int64()),
    ],
)
def test_truth_values_and_numbers_are_those_of_pandas(cells: list[str], kind: pa.DataType) -> None:
    raw = "".join(f"{cell}\n" for cell in cells).encode()
    assert found_schema(_lines(raw), ("x",), ["x"], {}).field("x").type == kind


@pytest.mark.parametrize(
    ("cells", "options", "kind"),
    [
        (["1.234", "-7"], {"thousands": ".", "decimal": ","}, pa.int64()),
        (["1.234,5", ""], {"thousands": ".", "decimal": ","}, pa.float64()),
        (["1.234", "x"], {"thousands": ".", "decimal": ","}, pa.string()),
        (["1,5"], {"decimal": ","}, pa.float64()),
        (["1.5"], {"decimal": ","}, pa.string()),
        (["9.007.199.254.740.993"], {"thousands": ".", "decimal": ","}, pa.string()),
        (["30.01.2026"], {"thousands": "_"}, pa.string()),
        (["0x1F"], {"thousands": "_"}, pa.string()),
        (["", ""], {"thousands": "_"}, pa.null()),
    ],
)
def test_numbers_have_the_dress_that_the_options_say(
    cells: list[str], options: dict[str, str], kind: pa.DataType
) -> None:
    raw = "".join(f";{cell}\n" for cell in cells).encode()
    assert found_schema(_lines(raw), ("k", "x"), ["x"], {"delimiter": ";", **options}).field("x").type == kind
