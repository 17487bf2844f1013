"""Columns of every type keep their values in a table, or are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from lakes import KINDS, lake
from publications import publish, staged

from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.targets.table_types import table_type

pytestmark = pytest.mark.unit

_AT = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=UTC)
#: Column -> values, Arrow type in the parts, and in the table.
COLUMNS = {
    "small": ([1, None, -3], pa.int8(), pa.int32()),
    "unsigned": ([1, None, 4_000_000_000], pa.uint32(), pa.int64()),
    "share": ([0.5, None, float("nan")], pa.float32(), pa.float32()),
    "number": ([0.1, None, float("inf")], pa.float64(), pa.float64()),
    "yes": ([True, None, False], pa.bool_(), pa.bool_()),
    "name": (["a", None, "ü" * 40], pa.string(), pa.string()),
    "long": (["a", None, "b"], pa.large_string(), pa.string()),
    "class": (["x", None, "x"], pa.dictionary(pa.int32(), pa.string()), pa.string()),
    "raw": ([b"\x00", None, b""], pa.binary(), pa.binary()),
    "day": ([date(2026, 1, 1), None, date(1900, 1, 1)], pa.date32(), pa.date32()),
    "at": ([_AT, None, _AT], pa.timestamp("us", "Europe/Berlin"), pa.timestamp("us", "UTC")),
    "local": ([_AT.replace(tzinfo=None), None, datetime(2026, 1, 1)], pa.timestamp("ns"), pa.timestamp("us")),
    "price": ([Decimal("1.50"), None, Decimal("-2.25")], pa.decimal128(10, 2), pa.decimal128(10, 2)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_the_same_in_the_table(tmp_path: Path, kind: str) -> None:
    part = pa.table({name: pa.array(values, own) for name, (values, own, _) in COLUMNS.items()})
    with lake(kind, tmp_path / "lake") as there:
        for generation in (1, 2):  # into a new table, and into one that is there
            manifest = staged(tmp_path / str(generation), 1, part, digest=str(generation))
            publish([manifest], there.output, generation, table=there.table)
        found = there.arrow()
    for name, (values, _, wanted) in COLUMNS.items():
        column = found.column(name)
        assert table_type(column.type) == wanted, name
        assert str(column.to_pylist()) == str(values) or column.to_pylist() == values, name


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_table_holds_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    part = pa.table({"id": [1], "list": [[1.0]], "when": pa.array([1], pa.time64("us"))})
    with lake(kind, tmp_path / "lake") as there:
        with pytest.raises(OutputError, match=r"no type for list \(list<.*double>\), when \(time64\[us\]\)"):
            publish([staged(tmp_path / "a", 1, part)], there.output, table=there.table)
        ns = pa.table({"at": pa.array([1], pa.timestamp("ns"))})
        with pytest.raises(OutputError, match=r"p=1: .*row 0: column 'at': .*is not exact as timestamp\[us\]"):
            publish([staged(tmp_path / "b", 1, ns)], there.output, table=there.table)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_a_partition_value_have_a_null_there(tmp_path: Path, kind: str) -> None:
    manifests = [staged(tmp_path, p, pa.table({"id": [n]})) for n, p in enumerate((1, NO_VALUE))]
    with lake(kind, tmp_path / "lake") as there:
        publish(manifests, there.output, 1, table=there.table)
        assert {row["p"]: row["id"] for row in there.arrow().to_pylist()} == {1: 0, None: 1}
        again = publish(manifests, there.output, 2, table=there.table).changes
        assert sorted(again.unchanged) == ["p=1", f"p={NO_VALUE}"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_declared_type_of_a_field_is_that_of_a_new_table_and_changes_none(tmp_path: Path, kind: str) -> None:
    manifests = [staged(tmp_path, 1, pa.table({"id": [7]}))]
    with lake(kind, tmp_path / "lake") as there:
        publish(manifests, there.output, 1, table=there.table, field_types={"p": "string"})
        assert there.arrow().to_pylist() == [{"p": "1", "id": 7}]
        with pytest.raises(OutputError, match="field_types= declares p as int64, and it is .*string in the table"):
            publish(manifests, there.output, 2, table=there.table, field_types={"p": "int64"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_partition_column_may_be_a_date(tmp_path: Path, kind: str) -> None:
    manifests = [staged(tmp_path, p, pa.table({"id": [1]})) for p in ("2026-01-30", "2026-1-31")]
    with lake(kind, tmp_path / "lake") as there:
        for generation in (1, 2):
            publish(manifests[:1], there.output, generation, table=there.table, field_types={"p": "date32"})
        assert there.arrow().to_pylist() == [{"p": date(2026, 1, 30), "id": 1}]
        with pytest.raises(OutputError, match="p=2026-1-31"):
            publish(manifests[1:], there.output, 3, table=there.table)
