"""The scores of several partitions as one table, and what cannot be put into one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from publications import staged

from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.stamp import Statement
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

PART = pa.table({"id": pa.array([1, 2], pa.int64()), "prediction": [0.5, 1.5]})


def _scored(folder: Path, value: str, **fields: str) -> Manifest:
    return staged(folder, value, PART, partition={"p": value, **fields})


@pytest.mark.parametrize(
    ("values", "kept", "kind"),
    [
        (["1", "20"], [], pa.int64()),
        (["0"], ["9223372036854775807"], pa.int64()),
        (["1", "9223372036854775808"], [], pa.string()),
        (["1", "007"], [], pa.string()),
        (["1"], ["x"], pa.string()),
        (["-7", "5"], [], pa.int64()),
        (["-9223372036854775808"], [], pa.int64()),
        (["-9223372036854775809"], [], pa.string()),
        (["-0"], [], pa.string()),
        (["-07"], [], pa.string()),
        (["+7"], [], pa.string()),
        (["--7"], [], pa.string()),
        (["1_0"], [], pa.string()),
        (["\u0661"], [], pa.string()),  # a digit in Arabic
    ],
)
def test_field_values_are_numbers_only_if_all_are_and_none_changes(
    tmp_path: Path, values: list[str], kept: list[str], kind: pa.DataType
) -> None:
    table = ScoresTable.of([_scored(tmp_path, value) for value in values], [{"p": value} for value in kept])
    assert table.schema == pa.schema([("p", kind), ("id", pa.int64()), ("prediction", pa.float64())])


@pytest.mark.parametrize(
    ("values", "published", "declared", "kind"),
    [
        (["1", "2"], {"p": "string"}, {}, pa.string()),
        (["1", "2"], {"p": "int64"}, {}, pa.int64()),
        (["1", "2"], {"p": "int16"}, {}, pa.int16()),
        (["01"], {"p": "int64"}, {}, pa.string()),
        (["x"], {"p": "int64"}, {}, pa.string()),
        (["2026-01-30"], {"p": "date32[day]"}, {}, pa.date32()),
        (["latest"], {"p": "date32[day]"}, {}, pa.string()),
        (["1"], {"p": "list<item: double>"}, {}, pa.int64()),
        (["1"], {}, {"p": "string"}, pa.string()),
        (["001"], {"p": "string"}, {"p": "int64"}, pa.int64()),
        (["2026-01-30"], {}, {"p": "date32"}, pa.date32()),
    ],
)
def test_a_field_keeps_the_declared_or_the_published_type(
    tmp_path: Path, values: list[str], published: dict[str, str], declared: dict[str, str], kind: pa.DataType
) -> None:
    table = ScoresTable.of([_scored(tmp_path, value) for value in values], published=published, declared=declared)
    assert table.fields == {"p": kind}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"p": "int64"}, "partition p='x' does not fit field_types={'p': 'int64'}; declare it 'string'"),
        ({"q": "int64"}, "field_types names 'q', which is no partition field; there are p"),
        ({"p": "number"}, "field_types={'p': 'number'} is no type; write one of Arrow's, such as 'int64'"),
    ],
)
def test_a_declared_type_that_does_not_fit_is_refused(tmp_path: Path, declared: dict[str, str], message: str) -> None:
    with pytest.raises(OutputError) as caught:
        ScoresTable.of([_scored(tmp_path, "x")], declared=declared)
    assert message in str(caught.value)


def test_rows_have_their_fields_in_front_in_the_order_of_the_template(tmp_path: Path) -> None:
    manifest = _scored(tmp_path, "07", month="3")
    table = ScoresTable.of([manifest])
    (rows,) = table.read(manifest)
    assert rows.schema == table.schema
    assert rows.to_pylist() == [
        {"p": "07", "month": 3, "id": 1, "prediction": 0.5},
        {"p": "07", "month": 3, "id": 2, "prediction": 1.5},
    ]
    assert table.types == {"p": "string", "month": "int64", "id": "int64", "prediction": "double"}


@pytest.mark.parametrize(
    ("published", "difference"),
    [
        ({"p": "string"}, "the column p is string in the published data and int64 in this run"),
        ({"old": "double"}, "the published data has the columns old, which this run lacks"),
        ({"id": None}, "this run has the columns id, which the published data lacks"),
        (
            {"p": None, "old": "double"},
            "the published data has the columns old, which this run lacks; this run has the columns p, which",
        ),
    ],
)
def test_other_columns_are_refused_beside_kept_partitions_and_named(
    tmp_path: Path, published: dict[str, str | None], difference: str
) -> None:
    table = ScoresTable.of([_scored(tmp_path, "1")])
    columns = {name: kind for name, kind in {**table.types, **published}.items() if kind is not None}
    with pytest.raises(OutputError, match=rf"/out cannot be added to: {difference}.*\(p=8, p=9\).*replace_all=True"):
        table.require_same(Statement(columns, []), ["p=8", "p=9"], "/out")
    table.require_same(Statement(columns, []), [], "/out")  # nothing is kept that would not fit
    table.require_same(Statement(table.types, []), ["p=9"], "/out")


def test_the_same_columns_in_another_order_are_refused(tmp_path: Path) -> None:
    table = ScoresTable.of([_scored(tmp_path, "1")])
    turned = dict(reversed(table.types.items()))
    with pytest.raises(OutputError, match="the columns are in another order"):
        table.require_same(Statement(turned, []), ["p=9"], "/out")


def test_kept_partitions_with_other_fields_are_a_difference_of_columns(tmp_path: Path) -> None:
    table = ScoresTable.of([_scored(tmp_path, "1")], [{"year": "x"}])
    with pytest.raises(OutputError, match="the published data has the columns year, which this run lacks"):
        published = {"year": "string", "id": "int64", "prediction": "double"}
        table.require_same(Statement(published, []), ["year=x"], "/out")
