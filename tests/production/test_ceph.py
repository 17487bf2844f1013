"""The tests that have an S3 server, on Ceph's gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ceph import Ceph
from test_at_once import test_two_runs_that_publish_one_folder_lose_neither  # noqa: F401
from test_pipeline import (  # noqa: F401
    folder,
    test_sensors_of_both_kinds_see_a_late_object_on_s3,
    test_the_pipeline_on_s3_with_the_connection_of_airflow,
    test_worker_processes_read_s3_with_the_tasks_connection,
)
from test_storage import (  # noqa: F401
    bucket,
    test_a_bucket_that_does_not_exist_is_an_error_that_a_retry_cannot_mend,
    test_an_s3_object_appears_only_when_it_was_written_whole,
    test_creating_where_there_is_no_bucket_is_an_error_that_a_retry_cannot_mend,
    test_of_several_that_create_a_file_one_wins,
    test_s3_objects_over_one_part_and_listings_over_one_page,
    test_s3_reads_writes_lists_and_tags,
)
from test_swap import (  # noqa: F401
    server,
    test_an_object_is_replaced_only_while_it_is_the_one_that_was_seen,
    test_an_object_of_several_parts_is_replaced_on_the_same_condition,
    test_what_cannot_be_read_because_it_is_being_replaced_is_read_again,
)

pytestmark = [pytest.mark.production, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """In place of the moto server of the other folders."""
    with Ceph(tmp_path_factory.mktemp("ceph")) as running:
        yield running.endpoint
