"""What people are told about rows in quarantine: reasons, examples, and what could not be read."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from publications import committed
from support import good_rows, small

from airflow_batchscore.data.batch import BadRow
from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.quarantined import Quarantined, look_into_quarantine
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import write
from airflow_batchscore.scoring.manifest import BlockResult, Manifest

pytestmark = pytest.mark.unit


def _set_apart(folder: Path, partition: int, *blocks: list[BadRow]) -> Manifest:
    """A manifest of blocks of which nothing but these rows was read."""
    place = folder / f"p={partition}" / "id"
    results = []
    for index, rows in enumerate(blocks):
        name = f"quarantine/part-{index}.parquet"
        write(Location(f"{place}/{name}"), rows, partition={"p": str(partition)}, block=index, source="x.csv", keys=[])
        account = Account(len(rows), 0, 0, len(rows))
        results.append(BlockResult(index, f"part-{index}", name, 1, account, {}, {}, 0, "inputs"))
    total = sum((result.account for result in results), Account())
    return committed(partition, uri=f"{place}/manifests/000001.json", blocks=results, account=total)


def _bad(count: int, message: str = "column 'a': expected a number, found '{}'", **raw: str) -> list[BadRow]:
    return [BadRow(n, "ParseError", message.format(f"x{n}"), {"a": f"x{n}", **raw}) for n in range(count)]


def _look(*manifests: Manifest) -> Quarantined:
    found = look_into_quarantine(manifests)
    assert found is not None
    json.dumps(asdict(found))
    return found


def test_without_rows_in_quarantine_there_is_nothing_to_read() -> None:
    assert look_into_quarantine([committed(1), committed(2, skipped=3)]) is None


def test_rows_of_a_scored_partition_are_told_with_place_reason_and_values(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, [*good_rows(50), (98, "x", 1, 1), (99, None, 1, 1), (100, "y", 1, 1)])
    found = _look(*(manifest for manifest, _ in data.score(1)))
    assert (found.rows, found.looked_at, found.files, found.files_read, found.problem) == (3, 3, 1, 1, None)
    assert [(reason.error, reason.rows, reason.partitions) for reason in found.reasons] == [
        ("ParseError", 2, ["p=1"]),
        ("ValueError", 1, ["p=1"]),
    ]
    assert "found 'x'" in found.reasons[0].message
    first = found.examples[0]
    assert (first.partition, first.block, first.row, first.raw["id"], first.raw["a"]) == ("p=1", 0, 50, "98", "x")
    assert [row.raw["a"] for row in found.examples] == ["x", "y", None]


def test_messages_that_differ_in_a_value_are_one_reason(tmp_path: Path) -> None:
    both = [*_bad(5), *_bad(2, "row {} has 3 cells of 4")]
    found = _look(_set_apart(tmp_path, 1, both), _set_apart(tmp_path, 2, _bad(1)))
    assert [(reason.rows, reason.partitions) for reason in found.reasons] == [(6, ["p=1", "p=2"]), (2, ["p=1"])]


def test_each_reason_has_an_example_before_one_has_several(tmp_path: Path) -> None:
    rare = BadRow(9, "ValueError", "no such colour", {"a": "rare"})
    found = _look(_set_apart(tmp_path, 1, [*_bad(9), rare]))
    assert [row.raw["a"] for row in found.examples] == ["x0", "x1", "rare"]


def test_of_many_files_some_of_every_partition_are_read_worst_first(tmp_path: Path) -> None:
    many = _set_apart(tmp_path, 1, *(_bad(3) for _ in range(20)))
    found = _look(many, _set_apart(tmp_path, 2, _bad(2, "gone")), _set_apart(tmp_path, 3, _bad(1)))
    assert (found.rows, found.files, found.files_read, found.looked_at) == (63, 22, 10, 27)
    assert {key for reason in found.reasons for key in reason.partitions} == {"p=1", "p=2", "p=3"}
    assert len(found.examples) == 20


def test_the_first_rows_of_a_long_file_and_the_beginning_of_long_values_are_read(tmp_path: Path) -> None:
    wide = {f"column{n}": "v" * 1000 for n in range(50)}
    found = _look(_set_apart(tmp_path, 1, _bad(1500, **wide)))
    assert (found.rows, found.looked_at) == (1500, 1000)
    row = found.examples[0]
    assert len(row.raw) == 20
    assert row.raw["column0"] == "v" * 199 + "…"


def test_a_file_that_is_gone_or_damaged_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    manifests = [_set_apart(tmp_path, number, _bad(2)) for number in (1, 2, 3)]
    gone, damaged = (Path(f"{manifest.folder}/quarantine/part-0.parquet") for manifest in manifests[:2])
    gone.unlink()
    damaged.write_bytes(b"PAR1 no more")
    found = _look(*manifests)
    assert (found.files, found.files_read, found.looked_at) == (3, 1, 2)
    assert found.problem is not None
    assert str(gone) in found.problem
    assert str(damaged) in found.problem


def test_a_file_of_other_columns_is_a_problem(tmp_path: Path) -> None:
    scores = small(tmp_path)
    scores.add(1, good_rows(5))
    ((manifest, _),) = scores.score(1)
    (block,) = manifest.blocks
    account = Account(5, 4, 0, 1)
    altered = replace(manifest, blocks=[replace(block, quarantine=block.part, account=account)], account=account)
    assert "cannot be read" in str(_look(altered).problem)


@pytest.mark.parametrize("name", ["../../secret.parquet", "quarantine/../../x.parquet", "a/%2e%2e/%2e%2e/x.parquet"])
def test_a_name_that_leaves_the_manifests_folder_is_not_read(tmp_path: Path, name: str) -> None:
    manifest = _set_apart(tmp_path, 1, _bad(1))
    found = _look(replace(manifest, blocks=[replace(manifest.blocks[0], quarantine=name)]))
    assert found.files_read == 0
    assert "segment" in str(found.problem)
