"""Advice for code that fails on a column of numbers that one cell made text of."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.taken_for_text import taken_for_text

pytestmark = pytest.mark.unit

ROWS = pa.table({"a": ["1", "2.5", None, "n.a."], "t": ["x", "y", "3", "z"], "n": [1, 2, 3, 4]})


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({}, TypeError(), True),
        ({}, ValueError(), True),
        ({}, KeyError("a"), False),
        ({"read_options": {"column_types": {"a": "string"}}}, TypeError(), False),
        ({"format": "parquet"}, TypeError(), False),
        ({"format": "jsonl"}, TypeError(), True),
    ],
)
def test_columns_that_are_mostly_numbers_are_told_of(arguments: dict[str, Any], error: Exception, told: bool) -> None:
    advice = taken_for_text(PartitionedDataset("/d/{p}.csv", **arguments), ROWS, error)
    message = (
        ". The column 'a' is text, because not all of its cells are numbers: 'n.a.'. Declare its type, "
        "read_options={'column_types': {'a': 'float64'}}, and such rows are named"
    )
    assert advice == (message if told else "")


def test_numbers_are_those_that_the_options_read() -> None:
    rows = pa.table({"a": ["1.000,5", "2,5", "?"]})
    options = {"decimal": ",", "thousands": "."}
    assert "'?'" in taken_for_text(PartitionedDataset("/d/{p}.csv", read_options=options), rows, TypeError())
    assert taken_for_text(PartitionedDataset("/d/{p}.csv"), rows, TypeError()) == ""
