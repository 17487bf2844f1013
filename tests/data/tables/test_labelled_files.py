"""Which files of a table a partition has, by what the table tells of each file."""

from __future__ import annotations

import pytest

from airflow_batchscore.data.partition_by import parse_partition_by
from airflow_batchscore.data.tables.labelled_files import LabelledFiles
from airflow_batchscore.data.tables.snapshot import TableFile

pytestmark = pytest.mark.unit


def _files(by: tuple[str, ...], **labels: tuple[str | None, ...]) -> LabelledFiles:
    return LabelledFiles([TableFile(name, 10, 0, labels[name]) for name in sorted(labels)], parse_partition_by(by))


def _of(files: LabelledFiles, **values: str) -> str:
    return "".join(file.uri for file in files.of(values))


def test_files_of_a_partition_are_its_own_and_those_that_say_nothing() -> None:
    files = _files(("day",), a=("2",), b=(None,), c=("1",), d=("2",))
    assert [_of(files, day=day) for day in "123"] == ["bc", "abd", "b"]
    assert [files.has({"day": day}) for day in "123"] == [True, True, False]
    assert {labels: [file.uri for file in own] for labels, own in files.whole.items()} == {
        ("2",): ["a", "d"],
        ("1",): ["c"],
    }
    assert [file.uri for file in files.divided] == [file.uri for file in files.unlabelled] == ["b"]


def test_some_labels_are_as_good_as_all_where_they_rule_a_partition_out() -> None:
    files = _files(("day", "shop"), a=("1", None), b=("2", "x"), c=("2", "y"), d=(None, None))
    assert _of(files, day="1", shop="x") == "ad"
    assert _of(files, day="2", shop="x") == "bd"
    assert _of(files, day="3", shop="x") == "d"
    assert files.has({"day": "1", "shop": "z"}), "only rows tell"
    assert not files.has({"day": "2", "shop": "z"})
    assert [file.uri for file in files.divided] == ["a", "d"]
    assert files.group({"day": "1", "shop": "x"}) == (), "no label is told of each file"


def test_a_table_whose_files_say_nothing_has_one_group() -> None:
    files = _files(("shop",), a=(None,), b=(None,))
    assert (_of(files, shop="x"), files.has({"shop": "x"}), files.whole, files.unlabelled) == ("ab", True, {}, [])
    assert not _files(("shop",)).has({"shop": "x"})


def test_rows_that_are_numbered_over_all_files_are_looked_for_in_all() -> None:
    files = _files(("day", "_row % 2"), a=("1", None), b=("2", None))
    assert _of(files, day="1", row_mod_2="0") == "ab"
    assert not files.has({"day": "3", "row_mod_2": "0"})
