"""A location is a place and its connection, a plain value."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from airflow_batchscore.data.storage import Location

pytestmark = pytest.mark.unit

BUCKET = Location("s3://bucket/scores/", "aws_scores")


def test_what_is_derived_from_a_location_keeps_its_connection() -> None:
    part = BUCKET / "year=2015" / "part-0.parquet"
    assert part == Location("s3://bucket/scores/year=2015/part-0.parquet", "aws_scores")
    assert part.parent == Location("s3://bucket/scores/year=2015", "aws_scores")
    assert part.beside("manifests", "1.json") == part.parent / "manifests" / "1.json"
    assert part.at("s3://bucket/x") == Location("s3://bucket/x", "aws_scores")
    assert part.name == "part-0.parquet"
    assert Location("out.csv").beside("_published", "out.csv") == Location("_published/out.csv")


def test_a_text_has_its_uri_and_a_log_of_the_value_its_connection() -> None:
    assert f"{BUCKET}" == "s3://bucket/scores/"
    assert (BUCKET.described, Location("/d/x").described) == ("s3://bucket/scores/ by aws_scores", "/d/x")
    assert repr(BUCKET) == "Location(uri='s3://bucket/scores/', conn_id='aws_scores')"


def test_it_travels_to_workers_and_is_a_key() -> None:
    assert pickle.loads(pickle.dumps(BUCKET)) == BUCKET  # noqa: S301 - our own
    assert {BUCKET: 1}[Location(BUCKET.uri, BUCKET.conn_id)] == 1
    assert Location(BUCKET.uri) != BUCKET


def test_the_same_folder_by_another_connection_holds_nothing_of_it() -> None:
    part = BUCKET / "part-0.parquet"
    assert part.is_within(BUCKET)
    assert not part.is_within(Location(BUCKET.uri, "another_server"))
    assert not part.is_within(Location(BUCKET.uri))
    assert not BUCKET.is_within(part)


def test_a_link_lies_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    inside = Location(str(tmp_path / "inside"))
    assert inside.is_local
    assert not (inside / "link").is_within(inside)
    assert (inside / "link").is_within(Location(str(tmp_path / "outside")))
