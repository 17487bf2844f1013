"""The types that the values of JSON Lines appear to have."""

from __future__ import annotations

import pytest

from airflow_batchscore.data.formats.jsonl_records import Number
from airflow_batchscore.data.formats.jsonl_types import is_rounded, types_of
from airflow_batchscore.data.formats.lines import Lines
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

FIRST = '{"whole":1,"mixed":1,"number":1,"flag":true,"none":null,"day":"2020-01-01","long":1,"odd":true}'
LATER = '{"whole":2,"mixed":"x","number":1.5,"day":"x","long":12345678901234567890,"odd":1,"late":"x"}'
TYPES = {"whole": "int64", "mixed": "string", "number": "float64", "flag": "bool", "none": "null", "day": "string"}
TYPES |= {"long": "string", "odd": "string", "late": "string"}


def _lines(*lines: str) -> Lines:
    return Lines(memoryview("\n".join(lines).encode()))


def _types(*lines: str) -> dict[str, str]:
    return types_of(_lines(*lines), lambda name: True)


def test_types_are_those_of_all_rows() -> None:
    assert _types(*[FIRST] * 5000, LATER) == _types(FIRST, LATER) == TYPES


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2"], "int64"),
        (["1", "2.0"], "float64"),
        (["1", "null"], "int64"),
        (["1", "1e2"], "float64"),
        (["9223372036854775807"], "string"),
        (["9007199254740992"], "int64"),
        (["9007199254740993"], "string"),
        (["9007199254740993", "0.5"], "string"),
        (["9223372036854775808"], "float64"),  # 2**63, which a float holds
        (["1e400"], "float64"),
        (["NaN", "1"], "float64"),
        (["true", "false"], "bool"),
        (["true", "1"], "string"),
        (['"1"', "1"], "string"),
        (['"2020-01-01"', '"2020-01-02"'], "string"),
        (["null", "null"], "null"),
    ],
)
@pytest.mark.parametrize("beside", [[], ["no object"]], ids=["read together", "read one by one"])
def test_one_type_holds_every_value_of_a_column(values: list[str], kind: str, beside: list[str]) -> None:
    assert _types(*(f'{{"x":{value}}}' for value in values), *beside) == {"x": kind}


def test_columns_that_are_not_wanted_are_not_looked_at() -> None:
    line = '{"a":1,"x":{"y":1},"z":[1]}'
    for lines in ([line], [line, "no object"]):
        assert types_of(_lines(*lines), {"a"}.__contains__) == {"a": "int64"}
        for name in ("x", "z"):
            with pytest.raises(InputError, match=rf"the column '{name}' holds objects or lists.*Recipe\(columns="):
                types_of(_lines(*lines), {name}.__contains__)


def test_lines_that_are_no_objects_have_no_types() -> None:
    assert _types("1", "no JSON", "", '["x"]') == {}


@pytest.mark.parametrize(
    ("number", "rounded"),
    [
        ("9007199254740992", False),
        ("9007199254740993", True),
        ("-9007199254740993", True),
        ("1" * 400, True),
        ("0.1", False),
    ],
)
def test_a_whole_number_that_a_float_changes_is_rounded(number: str, rounded: bool) -> None:
    assert is_rounded(Number(number)) is rounded


def test_lines_without_a_wanted_column_are_not_parsed_one_by_one() -> None:
    asked: list[str] = []

    def wanted(name: str) -> bool:
        asked.append(name)
        return False

    assert types_of(Lines(memoryview(b'{"a":1,"b":2}\n' * 100)), wanted) == {}
    assert sorted(asked) == ["a", "b"]
