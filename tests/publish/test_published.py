"""What the publishing task hands on."""

from __future__ import annotations

import json

import pytest

from airflow_batchscore import Delta
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.published import Published, PublishedRun, Report
from airflow_batchscore.publish.targets import target_of

pytestmark = pytest.mark.unit

CHANGES = Changes(added=["p=1", "p=2"], replaced=["p=3"], kept=["p=4"], generation=7)
REPORT = Report(Location("s3://b/x.html", "aws"), Location("s3://b/x.json", "aws"), "digest")
RUN = PublishedRun.of(Published(target_of(Location("/out.parquet")), 3, 30, CHANGES), REPORT)


def test_partitions_are_handed_on_as_counts_not_as_lists() -> None:
    assert RUN.to_dict() == {
        "schema": 1,
        "output": "/out.parquet",
        "rows": 30,
        "partitions": 3,
        "added": 2,
        "replaced": 1,
        "unchanged": 0,
        "kept": 1,
        "dropped": 0,
        "report": "s3://b/x.html",
        "report_conn_id": "aws",
        "report_digest": "digest",
        "summary": "s3://b/x.json",
    }


def test_it_comes_back_from_json_and_not_from_another_version() -> None:
    handed_on = json.loads(json.dumps(RUN.to_dict()))
    assert PublishedRun.from_dict(handed_on) == RUN
    with pytest.raises(InputError, match="the report was written by another version .*clear the publishing task"):
        PublishedRun.from_dict({**handed_on, "schema": 2})
    del handed_on["schema"]  # as a version returned it that had no schemas
    assert PublishedRun.from_dict(handed_on) == RUN


def test_of_a_table_the_kind_and_the_version_are_handed_on() -> None:
    target = target_of(Location("/scores/"), Delta())
    done = PublishedRun.of(Published(target, 1, 10, Changes(added=["p=1"], version="7")), REPORT)
    value = json.loads(json.dumps(done.to_dict()))
    assert (value["table"], value["version"]) == ({"format": "delta"}, "7")
    assert PublishedRun.from_dict(value) == done
