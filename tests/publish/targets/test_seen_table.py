"""A table has the values of columns; publication knows its files by the partitions' own keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from publications import committed

from airflow_batchscore.publish.stamp import PartitionStamp, Publication
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.publish.targets.seen_table import Commit, SeenTable, key_of
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

ENCODED, DECODED = "p=K%25C3%25B6ln", "p=K%C3%B6ln"


def _stamp(manifest: Manifest) -> PartitionStamp:
    return PartitionStamp.of(manifest, Publication())


def _seen(**files: str) -> SeenTable:
    return SeenTable("1", "1", {}, ["p"], {key: {name: name} for key, name in files.items()}, "7", None)


def test_files_of_decoded_values_are_those_of_the_partition() -> None:
    stamp = _stamp(committed("K%C3%B6ln", dataset="/in/p={p}/*.csv"))
    seen = _seen(**{DECODED: "a", "p=1": "b"})
    assert seen.named([_stamp(committed(1)), stamp]).names == {ENCODED: {"a"}, "p=1": {"b"}}
    both = _seen(**{DECODED: "a", ENCODED: "b"}).named([stamp])
    assert both.names == {ENCODED: {"a", "b"}}, "an earlier publication of the same partition had encoded values"
    commit = Commit(both, ScoresTable({}, None), {}, [], [ENCODED], "8", "dag/2")  # type: ignore[arg-type]
    assert sorted(commit.removed_files) == ["a", "b"]


def test_a_template_whose_folders_are_not_hives_decodes_nothing() -> None:
    stamp = _stamp(committed("K%C3%B6ln", dataset="/in/{p}.csv"))
    assert (stamp.decoded, stamp.columns) == ({}, {"p": "K%C3%B6ln"})
    seen = _seen(**{DECODED: "a"})
    assert seen.named([stamp]).names == {DECODED: {"a"}}, "a partition of somebody else"
    assert replace(stamp, decoded={"p": "Köln"}).column_key == key_of(["p"], ["Köln"]) == DECODED
