"""A partition's size and identity: of its files, and of its share of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.dataset import Fingerprint

pytestmark = pytest.mark.unit


def test_partitions_of_a_file_differ_in_identity_and_change_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n2\n")
    halves = PartitionedDataset(f"{path}", partition_by="a % 2")
    thirds = PartitionedDataset(f"{path}", partition_by="a % 3")

    def prints() -> list[str]:
        return [halves.fingerprint(p).digest for p in halves.discover()] + [
            thirds.fingerprint(thirds.discover()[0]).digest
        ]

    before = prints()
    assert len(set(before)) == 4, "by values, and by what divides the rows"
    assert before == prints()
    path.write_text("a\n1\n2\n3\n")
    assert not set(before) & set(prints())
    assert {p.shape for p in halves.discover()} == {halves.discover()[0].shape}, "a sensor compares files"


def test_a_fingerprint_of_whole_files_is_what_it_was() -> None:
    files = (("s3://b/x.csv", 7, "tag"),)
    assert Fingerprint(files).digest == hashlib.sha256(json.dumps(files).encode()).hexdigest()


def test_the_way_of_reading_is_what_it_was_without_partition_by(tmp_path: Path) -> None:
    assert PartitionedDataset("/x/{p}.csv").reading == [None, []]
    assert PartitionedDataset("/x/p.csv", partition_by="a % 2").reading == [None, [], ["partition_by", "a % 2"]]
    dataset = PartitionedDataset("/x/p.csv", partition_by=["a", "b % 2"])
    assert PartitionedDataset(**json.loads(json.dumps(dataset.to_dict()))).fields == dataset.fields
