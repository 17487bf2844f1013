"""The tests that have an S3 server, on Ceph's gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from s3_server import s3_options
from stores import registered
from test_at_once import test_two_runs_that_publish_one_folder_lose_neither  # noqa: F401
from test_pipeline import (  # noqa: F401
    folder,
    test_sensors_of_both_kinds_see_a_late_object_on_s3,
    test_the_pipeline_on_s3_with_the_connection_of_airflow,
    test_worker_processes_read_s3_with_the_tasks_connection,
)
from test_s3 import (  # noqa: F401
    test_an_object_of_several_parts_is_replaced_on_the_same_condition,
    test_an_object_of_several_parts_is_written_whole,
    test_the_tag_of_an_object_is_its_etag,
)

pytestmark = [pytest.mark.production, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def moto(ceph: str) -> str:
    """In place of the moto server of the other folders."""
    return ceph


@pytest.fixture
def server(ceph: str) -> Iterator[str]:
    """In place of the one of `test_s3`."""
    with registered("test", s3_options(ceph)):
        yield ceph
