"""Arguments of messages become options; names of partitions and values of people stay as they are."""

from __future__ import annotations

import pytest

from airflow_batchscore.cli.worded import worded

pytestmark = pytest.mark.unit

OPTIONS = {"model", "function", "output", "allow_empty", "publish_to", "partitions", "column_type"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("give model='<uri>@<alias>'", "give --model '<uri>@<alias>'"),
        ("function= replaces it: leave model= out.", "--function replaces it: leave --model out."),
        ("add publish_to=, the folder", "add --publish-to, the folder"),
        ("partitions=[9] is (output_uri=)", "--partitions [9] is (--output)"),
        ("if that is right, set allow_empty=True", "if that is right, set --allow-empty"),
        ("column_types='x'", "--column-type 'x'"),
        ("set row_wise=False, or keys=", "set row_wise=False, or keys="),
        ("partition model=a/function=b: s3://x/model=/f", "partition model=a/function=b: s3://x/model=/f"),
    ],
)
def test_a_message_names_options(message: str, expected: str) -> None:
    assert worded(message, OPTIONS) == expected
