"""What a line of JSON is."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from airflow_batchscore.data.formats.jsonl_records import Members, Number, names_in, parse, records
from airflow_batchscore.data.formats.lines import Lines

pytestmark = pytest.mark.unit


def _lines(*lines: str | bytes) -> Lines:
    return Lines(memoryview(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)))


def test_plain_lines_are_read_by_arrow() -> None:
    lines = [json.dumps({"id": str(n), "a": n / 2, "b": [n], "s": "}\n{ null Infinity"}) for n in range(100)]
    table = parse(_lines(*lines), pa.schema({"a": pa.float64(), "s": pa.string()}))
    assert table is not None
    assert table["a"].to_pylist() == [n / 2 for n in range(100)]


@pytest.mark.parametrize(
    "line",
    [
        '{"a":1',
        '{"a":1} {"a":2}',
        '{"a":1}{"a":2}',
        '{"a":1}null',
        '{"a":1} \tnull{"a":2}',
        '{"a":Inf}',
        "[1]",
        " ",
        ' {"a":1}',
        '\ufeff{"a":1}',
        b'{"a":"\xff"}',
    ],
)
def test_lines_that_arrow_would_take_for_others_are_not_read_by_it(line: str | bytes) -> None:
    schema = pa.schema({"a": pa.string()}) if isinstance(line, bytes) else pa.schema({"a": pa.float64()})
    assert parse(_lines(line), schema) is None
    assert parse(_lines('{"a":"x"}' if isinstance(line, bytes) else '{"a":3}', line), schema) is None


def test_a_line_is_read_letter_by_letter() -> None:
    (record,) = records(
        _lines('\ufeff {"a": 1.50, "b": -0, "c": null, "a": "x", "d": [1], "e": {"f": NaN}, "g": true}\r')
    )
    assert record.members is not None
    assert record.members == [
        ("a", "1.50"),
        ("b", "-0"),
        ("c", None),
        ("a", "x"),
        ("d", ["1"]),
        ("e", [("f", "NaN")]),
        ("g", True),
    ]
    kinds = [type(value) for _, value in record.members]
    assert kinds == [Number, Number, type(None), str, list, Members, bool]


@pytest.mark.parametrize(
    ("line", "problem", "text"),
    [
        ("{", "the line is not JSON: ", "{"),
        ('{"a":01}', "the line is not JSON: ", '{"a":01}'),
        (b"\xff", "the line is not JSON: ", "\\xff"),
        ("null", "the line is JSON, but not an object", "null"),
        ("[" * 100_000, "the line is not JSON: ", "[" * 100_000),
    ],
)
def test_a_line_that_is_no_object_says_why(line: str | bytes, problem: str, text: str) -> None:
    first, second = records(_lines(line, '{"a":1}'))
    assert (first.members, first.text) == (None, text)
    assert first.problem.startswith(problem)
    assert second.members == [("a", "1")]


def test_blank_lines_are_no_records() -> None:
    assert [record.members for record in records(_lines("", " \t\r", '{"a":1}', ""))] == [[("a", "1")]]


@pytest.mark.parametrize("beside", [[], ["no object"]], ids=["read together", "read one by one"])
def test_names_are_those_of_all_lines_in_order(beside: list[str]) -> None:
    assert list(names_in(_lines('{"b":1,"a":{"c":1}}', *beside, '{"d":null,"b":2}'))) == ["b", "a", "d"]
    assert list(names_in(_lines("no object", "1"))) == []
