"""Each row of a file is in exactly one partition, whatever else is read of it: in every format, of nasty files."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from airflow_batchscore.data.blocks import cut, read, read_shared
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats.base import Types
from airflow_batchscore.data.layout import layout_from_json, layout_to_json
from airflow_batchscore.data.partition_by import NO_VALUE
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

ROWS = 240
SUFFIXES = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet", ".orc"]
BIG = 2**60 + 1


def _user(n: int) -> int | None:
    return None if n % 13 == 5 else n


def _value(n: int) -> Any:
    """Every 17th does not fit its column."""
    return BIG if n % 17 == 3 else n


def _lines(n: int, suffix: str) -> bytes:
    """One row; some have no value, some a value that cannot be read, some cannot be read at all."""
    user = _user(n)
    if suffix.startswith(".jsonl"):
        if n % 29 == 7:
            return b'{"user_id": 1, broken\n'
        return (
            json.dumps({"v": _value(n), **({} if user is None else {"user_id": user}), "c": "ab"[n % 2]}).encode()
            + b"\n"
        )
    if n % 29 == 7:
        return b"1,2\n"
    if n % 31 == 8:
        return b'%d,"%d"\xff,\xff\n' % (n, n)  # no UTF-8 in two cells
    text = "x y" if n % 37 == 9 else "" if user is None else str(user)
    return f"{text},{_value(n)},{'ab'[n % 2]}\n".encode() + (b"\n" if n % 5 == 0 else b"")


def _write(folder: Path, suffix: str) -> PartitionedDataset:
    path = folder / f"games{suffix}"
    if suffix in (".parquet", ".orc"):
        rows = [{"user_id": _user(n), "v": _value(n), "c": "ab"[n % 2]} for n in range(ROWS)]
        schema = pa.schema([("user_id", pa.int32()), ("v", pa.int64()), ("c", pa.string())])
        table = pa.Table.from_pylist(rows, schema)
        if suffix == ".orc":
            with pa.orc.ORCWriter(path, stripe_size=1024, batch_size=50) as writer:
                writer.write(table)
        else:
            pq.write_table(table, path, row_group_size=64)
    else:
        header = b"user_id,v,c\n" if suffix.startswith(".csv") else b""
        data = header + b"".join(_lines(n, suffix) for n in range(ROWS))
        path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    return PartitionedDataset(f"{path}", partition_by="user_id % 4")


def _places(
    dataset: PartitionedDataset, columns: Types, keys: Types, block_rows: int
) -> dict[tuple[str, int, int], tuple[str, bool]]:
    """Block and position of each row -> its partition, and whether it could be read."""
    found: dict[tuple[str, int, int], tuple[str, bool]] = {}
    for partition in dataset.discover():
        blocks = cut(dataset, partition, block_rows=block_rows, columns=list(columns), keys=list(keys))
        assert layout_from_json(json.loads(json.dumps(layout_to_json(blocks)))) == blocks
        for block in blocks:
            seen = 0
            for batch in read(dataset, block, columns, keys):
                seen += batch.rows_read + batch.others
                assert (batch.table.column_names, batch.keys.column_names) == ([*columns], [*keys])
                rows = [*((int(at), True) for at in batch.positions), *((row.position, False) for row in batch.bad)]
                assert len(rows) == batch.rows_read
                for at, is_read in rows:
                    place = (block.source.uri, block.start + (block.rows[0] << 32), at)
                    assert place not in found, "no row is in two partitions"
                    found[place] = (partition.key, is_read)
            if block.source.rows is not None and len(blocks) == 1:
                assert seen == block.source.rows
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_row_is_in_exactly_one_partition_whatever_is_read_of_it(tmp_path: Path, suffix: str) -> None:
    dataset = _write(tmp_path, suffix)
    ways: list[tuple[Types, Types]] = [
        ({}, {"user_id": None}),
        ({"v": "float64"}, {}),
        ({"v": "float64"}, {"user_id": None, "c": None}),
        ({"c": "string"}, {"v": None}),
    ]
    for block_rows in (60, 10_000):
        first, *others = (_places(dataset, *way, block_rows) for way in ways)
        assert len(first) == ROWS, "no row is lost"
        for other in others:
            assert {place: key for place, (key, _) in other.items()} == {p: key for p, (key, _) in first.items()}
    assert {key for key, _ in first.values()} == {f"user_id_mod_4={n}" for n in (0, 1, 2, 3, NO_VALUE)}
    with_value = _places(dataset, {"v": "float64"}, {}, 60).values()
    assert {key for key, is_read in with_value if not is_read} > {"user_id_mod_4=0"}, "bad rows stay with their user"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_are_where_their_value_says(tmp_path: Path, suffix: str) -> None:
    dataset = _write(tmp_path, suffix)
    counts: Counter[str] = Counter()
    for partition in dataset.discover():
        bucket = partition.values["user_id_mod_4"]
        for block in cut(dataset, partition, block_rows=50, keys=["user_id"]):
            for batch in read(dataset, block, {}, {"user_id": None}):
                counts[bucket] += batch.rows_read
                users = batch.keys["user_id"].to_pylist()
                if bucket == NO_VALUE:
                    assert {str(user) for user in users} <= {"None", "", "x y"}
                else:
                    assert {int(user) % 4 for user in users} <= {int(bucket)}
    assert counts.total() == ROWS


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_partitions_that_are_read_together_get_what_each_gets_alone(tmp_path: Path, suffix: str) -> None:
    dataset = _write(tmp_path, suffix)
    columns, keys = {"v": "float64"}, {"user_id": None, "_row": None, "user_id_mod_4": None}
    each = [cut(dataset, p, block_rows=70, columns=[*columns], keys=[*keys]) for p in dataset.discover()]
    for blocks in zip(*each, strict=True):
        together = list(read_shared(dataset, blocks, columns, keys))
        for place, block in enumerate(blocks):
            alone = list(read(dataset, block, columns, keys))
            assert len(alone) == len(together)
            for one, shared in zip(alone, (parts[place] for parts in together), strict=True):
                assert (one.table, one.keys, one.bad, one.others) == (
                    shared.table,
                    shared.keys,
                    shared.bad,
                    shared.others,
                )
                assert one.positions.tolist() == shared.positions.tolist()


def test_rows_are_divided_by_their_number_over_all_files(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.csv").write_text("v\n" + "".join(f"{n if n % 5 else 'x'}\n" for n in range(50)))
    dataset = PartitionedDataset(f"{tmp_path}/*.csv", partition_by="_row % 3")
    partitions = dataset.discover()
    assert [partition.values["row_mod_3"] for partition in partitions] == ["0", "1", "2"], "every row has a number"
    numbers = []
    for partition in partitions:
        for block in cut(dataset, partition, block_rows=8, columns=["v"], keys=["_row"]):
            for batch in read(dataset, block, {"v": "float64"}, {"_row": "int64"}):
                rows = [*batch.keys["_row"].to_pylist(), *(int(row.raw["_row"] or "") for row in batch.bad)]
                assert {row % 3 for row in rows} <= {int(partition.values["row_mod_3"])}
                numbers += rows
    assert sorted(numbers) == list(range(100))


def test_the_declared_type_decides(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("k,v\n007,1\n7,2\nseven,3\n")
    for types, keys in (({}, ["007", "7", "seven"]), ({"k": "int64"}, ["7", NO_VALUE])):
        dataset = PartitionedDataset(f"{tmp_path}/x.csv", partition_by="k", read_options={"column_types": types})
        assert sorted(partition.values["k"] for partition in dataset.discover()) == sorted(keys)


def test_what_a_file_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("user,v\n1,2\n")
    dataset = PartitionedDataset(f"{tmp_path}/x.csv", partition_by="user_id % 4")
    with pytest.raises(InputError, match=r"lacks the columns \['user_id'\]\. Does it say user for user_id\?"):
        cut(dataset, dataset.discover()[0], block_rows=10, columns=["v"])
    by_value = PartitionedDataset(f"{tmp_path}/x.csv", partition_by="country")
    with pytest.raises(InputError, match=r"lacks the columns \['country'\]"):
        by_value.discover()
    with pytest.raises(InputError, match=r"lacks the columns \['country'\]"):
        cut(by_value, by_value.partition({"country": "DE"}), block_rows=10, columns=["v"], keys=["country"])
    (tmp_path / "x.csv").write_text("_row,v\n1,2\n")
    numbered = PartitionedDataset(f"{tmp_path}/x.csv", partition_by="_row % 4")
    with pytest.raises(InputError, match="has a column '_row'.*rename the column"):
        cut(numbered, numbered.discover()[0], block_rows=10, columns=["v"])
