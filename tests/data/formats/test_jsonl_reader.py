"""A line of JSON Lines is a row or is set apart; its values do not depend on its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_batchscore.data.batch import Batch
from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.jsonl_reader import JsonLinesReader
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


GOOD = '{"id":"g","a":1}'


def _dataset(folder: Path, *lines: str | bytes, end: bytes = b"\n", **types: str) -> PartitionedDataset:
    raw = [line.encode() if isinstance(line, str) else line for line in lines]
    (folder / "p_1.jsonl").write_bytes(b"".join(line + end for line in raw))
    return PartitionedDataset(f"{folder}/p_{{p}}.jsonl", read_options={"column_types": types} if types else {})


def _lines(*lines: str | bytes) -> Lines:
    return Lines(memoryview(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)))


def _values(batch: Batch) -> tuple[list[Any], list[Any], list[tuple[int, str]]]:
    rows = zip(batch.positions.tolist(), batch.table.to_pylist(), batch.keys.to_pylist(), strict=True)
    return [repr(row) for row in rows], batch.keys.column_names, [(row.position, row.message) for row in batch.bad]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id":"x","a":"many"}', "column 'a': expected a number, found 'many'"),
        ('{"id":"x","a":"1"}', "column 'a': expected a number, found '1'"),
        ('{"id":"x","a":true}', "column 'a': expected a number, found true"),
        ('{"id":"x","a":9007199254740993}', "column 'a': 9007199254740993 is not exact as a float"),
        ('{"id":"x","a":1e400}', "column 'a': 1e400 is beyond what a float64 holds"),
        ('{"id":"x","a":{"b":1}}', "column 'a': expected a number, found an object"),
        ('{"id":["x"],"a":1}', "column 'id': expected UTF-8 text, found a list"),
        ('{"id":"\\ud800","a":1}', "column 'id': expected UTF-8 text, found"),
        (b'{"id":"\xff","a":1}', "column 'id': expected UTF-8 text, found"),
        ('{"id":"x","a":1,"a":2}', "the line has two values for 'a'"),
        ('{"id":"x","a":1', "the line is not JSON: "),
        ('{"id":"x","a":01}', "the line is not JSON: "),
        ('{"id":"x","a":Inf}', "the line is not JSON: "),
        ('{"id":"x","a":1} {"id":"y","a":2}', "the line is not JSON: Extra data"),
        ('{"id":"x","a":1} null {"id":"y","a":2}', "the line is not JSON: Extra data"),
        ("null", "the line is JSON, but not an object"),
        ('[{"id":"x"}]', "the line is JSON, but not an object"),
    ],
)
def test_a_bad_line_is_set_apart_alone(tmp_path: Path, line: str | bytes, message: str) -> None:
    dataset = _dataset(tmp_path, GOOD, line, GOOD)
    (block,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)
    (batch,) = read(dataset, block, {"a": "float64"}, {"id": None})
    assert batch.positions.tolist() == [0, 2]
    assert [(bad.position, bad.error) for bad in batch.bad] == [(1, "ParseError")]
    assert message in batch.bad[0].message
    assert batch.bad[0].raw


def test_an_object_over_two_lines_is_two_bad_lines(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, GOOD, '{"id":"x",', '"a":1}', '{"id":"y","a":1}{"id":', '"z","a":1}', GOOD)
    (block,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=10)
    (batch,) = read(dataset, block, {"a": "float64"}, {"id": None})
    assert (batch.positions.tolist(), [bad.position for bad in batch.bad]) == ([0, 5], [1, 2, 3, 4])


def test_a_key_is_the_text_of_the_file(tmp_path: Path) -> None:
    texts = ["1.50", "12345678901234567890", "-0", "1E5", "7", '"007"', '""', '" x"', "true", '"\\u00e9"']
    dataset = _dataset(tmp_path, *(f'{{"id":{text},"a":1}}' for text in texts), '{"a":1,"id":null}', '{"a":1}')
    (block,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=100)
    (batch,) = read(dataset, block, {"a": "float64"}, {"id": None})
    assert batch.keys["id"].to_pylist() == [
        *("1.50", "12345678901234567890", "-0", "1E5", "7", "007", "", " x", "true", "é", None, None)
    ]


NUMBERS = st.sampled_from(["1", "-1.5", "1e3", "9007199254740993", "1e400", "NaN", "-Infinity", "Inf", "0.1", "-0"])


VALUES = st.one_of(NUMBERS, st.sampled_from(["null", "true", '"x"', '"1"', "[]", "[null]", '{"a":null}', '"\\ud800"']))


MEMBERS = st.tuples(st.sampled_from(["a", "b", "c", "d", "id"]), VALUES)


OBJECTS = st.lists(MEMBERS, max_size=4).map(lambda some: "{" + ",".join(f'"{k}":{v}' for k, v in some) + "}")


BROKEN = st.sampled_from(["{", "}", "null", "", '{"a":1}}', '{"a":1}null{"a":2}', '{"a":1}{"b":', '{"a" : 1 }', "\t{}"])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(OBJECTS, OBJECTS, OBJECTS, BROKEN), min_size=1, max_size=3))
def test_lines_mean_the_same_read_together_and_one_by_one(lines: list[str]) -> None:
    reader = JsonLinesReader({"a": "float64", "b": "int64", "c": "bool", "d": "string"}, {"id": None})
    text = _lines(*lines)
    together, one_by_one = reader.read(text), reader._one_by_one(text)
    assert _values(together) == _values(one_by_one)
    assert together.rows_read == sum(1 for line in lines if line.strip())


def test_a_value_in_a_column_without_a_type_is_refused(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, '{"a":null}', '{"a":2}')
    (block,) = cut(dataset, dataset.partition({"p": "1"}), block_rows=1000)
    with pytest.raises(InputError, match=r"p_1.jsonl: column 'a' has values here \('2'\)"):
        list(read(dataset, block, {"a": "null"}))
