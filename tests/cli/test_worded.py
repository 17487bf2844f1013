"""Arguments of messages become options; names of partitions and values of people stay as they are."""

from __future__ import annotations

import pytest

from airflow_batchscore.cli.worded import worded

pytestmark = pytest.mark.unit

OPTIONS = {
    *("model", "function", "output", "allow_empty", "publish_to", "partitions", "column_type", "read_option", "flag"),
    *("keys", "columns", "partition_by", "format", "workers", "memory_limit", "max_seconds"),
}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("give model='<uri>@<alias>'", "give --model '<uri>@<alias>'"),
        ("function= replaces it: leave model= out.", "--function replaces it: leave --model out."),
        ("add publish_to=, the folder", "add --publish-to, the folder"),
        ("partitions=[9] is (output_uri=)", "--partitions '[9]' is (--output)"),
        ("with partition_by=['month(tag)', 'land'] the", "with --partition-by 'month(tag)' --partition-by land the"),
        ("partitions=[...] or keys=['a', 'b']", "--partitions ... or --keys a,b"),
        ("name those that are: columns=[...]", "name those that are: --columns A,B"),
        ("take 5 s, more than max_seconds=2", "take 5 s, more than --max-seconds 2"),
        ("read_options={'comment': '#'} helps", "--read-option 'comment=#' helps"),
        ("read_options={'comment': '#' is cut", "read_options={'comment': '#' is cut"),
        ("read_options={'column_types': {'b': 'string'}}", "--column-type b=string"),
        ("read_options={'column_types': ...}", "--column-type COLUMN=TYPE"),
        ("PartitionedDataset(read_options={'column_types': {'b c': ...}})", "--column-type 'b c=...'"),
        ("flags={'high': 'p>3'}: no", "--flag 'high=p>3': no"),
        ("LocalDask(workers=0): give", "--workers 0: give"),
        ("LocalDask(memory_limit='2gig'): give", "--memory-limit '2gig': give"),
        ("give PartitionedDataset(format=...)", "give --format ..."),
        ("if that is right, set allow_empty=True", "if that is right, set --allow-empty"),
        ("column_types='x'", "--column-type 'x'"),
        ("partition output=7, model=5", "partition output=7, model=5"),
        ("partition model=a/function=b: s3://x/model=/f", "partition model=a/function=b: s3://x/model=/f"),
    ],
)
def test_a_message_names_options(message: str, expected: str) -> None:
    assert worded(message, OPTIONS) == expected


@pytest.mark.parametrize(
    "message",
    [
        "assign it: pd.DataFrame(values, index=frame.index, columns=[...])",
        "name those it needs in Recipe(columns=['a', 'b'])",
        "Give PartitionedDataset('x', table=Delta(), partition_by=...), on the command line --data-table delta",
        "Give PartitionedDataset('x(', partition_by=['a'])",
    ],
)
def test_python_code_stays_as_it_is(message: str) -> None:
    assert worded(message, OPTIONS) == message


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("drop them with replace_all=True", "replace_all"),
        ("Name the columns that it gives: output_types={'column': 'double', ...} for m:f", "output_types"),
        ("If whole partitions are meant, set row_wise=False", "row_wise"),
    ],
)
def test_advice_for_python_alone_says_so(message: str, name: str) -> None:
    assert worded(message, OPTIONS) == (
        f"{message} ({name} is an argument in Python; the command line has no option for it)"
    )
