"""What published data says of where it comes from."""

from __future__ import annotations

import json

import pytest
from publications import committed

from airflow_batchscore import LocalDask
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.publish.stamp import ForeignFileError, PartitionStamp, Publication, Statement

pytestmark = pytest.mark.unit

STAMP = PartitionStamp.of(committed(1, 10, skipped=2, quarantined=1), Publication("dag/run", {"p=1": 7}, began=3)).at(
    0, 2
)
STATEMENT = Statement({"p": "int64", "id": "string"}, [STAMP])


def test_a_stamp_is_taken_from_the_manifest_and_the_publication() -> None:
    counts = {"rows_read": 13, "rows_scored": 10, "rows_skipped": 2, "rows_quarantined": 1}
    assert PartitionStamp({"p": "1"}, 7, "dag/run", "digest of 1", 10, "my_code:score", counts, (0, 2), 3) == STAMP
    assert (STAMP.key, STAMP.turn) == ("p=1", (7, 3))
    model = ModelRef("/m/v3", "d")
    assert PartitionStamp.of(committed(1, model=model), Publication()).model == "v3"


def test_a_partition_that_the_plan_does_not_name_is_older_than_any_plan() -> None:
    assert PartitionStamp.of(committed(2), Publication(generations={"p=1": 7})).turn == (0, 0)


def test_a_worker_gets_neither_the_engine_nor_the_numbers_of_all_partitions() -> None:
    publication = Publication("dag/run", {"p=1": 7}, republish=True, began=3, engine=LocalDask())
    assert publication.sent() == Publication("dag/run", republish=True, began=3)


def test_a_statement_comes_back_from_its_bytes() -> None:
    back = Statement.from_bytes(STATEMENT.to_bytes(), "/out.parquet")
    assert back == STATEMENT
    assert back.by_key == {"p=1": STAMP}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no JSON",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"format": 1}',
        b'{"format": 2}',
        b'{"format": 2, "schema": {}, "partitions": [{"partition": {"p": "1"}}]}',
        b'{"format": 2, "schema": {}, "partitions": 7}',
        json.dumps({**json.loads(STATEMENT.to_bytes()), "partitions": [{**STAMP.to_dict(), "new": 1}]}).encode(),
        json.dumps({**json.loads(STATEMENT.to_bytes()), "partitions": [{**STAMP.to_dict(), "place": [1]}]}).encode(),
    ],
)
def test_what_is_no_statement_of_this_version_is_refused_with_its_file(data: bytes) -> None:
    with pytest.raises(
        ForeignFileError, match=r"the record of what /out\.parquet holds cannot be read by this version"
    ):
        Statement.from_bytes(data, "/out.parquet")
