"""The promises of every kind of storage, on Ceph's gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from s3_server import s3_options
from stores import registered
from test_drivers import (  # noqa: F401
    installed,
    test_a_bucket_that_does_not_exist_is_an_error_that_a_retry_cannot_fix,
    test_a_file_appears_whole_or_not_at_all,
    test_a_file_is_replaced_only_while_it_is_the_one_that_was_seen,
    test_a_file_that_stands_is_kept_if_it_is_right,
    test_files_are_written_read_listed_and_deleted,
    test_of_several_that_create_a_file_one_wins,
)

from airflow_batchscore.data.storage import Location

pytestmark = [pytest.mark.production, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def folder(ceph: str) -> Iterator[Location]:
    """An empty folder, by the connection ``test``."""
    with registered("test", s3_options(ceph)):
        yield Location("s3://tennis/folder", "test")
