"""Publish: committed parts become an output of one of the kinds in `targets`.

Readers see the old publication or the new one. A partition whose scores have not changed is left untouched, one that
the run did not score is kept, and an older publication never replaces a newer one (`order`).
"""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from airflow_batchscore.data.amounts import number_of
from airflow_batchscore.data.apart import require_apart, require_staging_apart
from airflow_batchscore.data.pattern import UriPattern, partition_key
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.kinds import Table
from airflow_batchscore.errors import GateError, OutputError, listed
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.parts import common_schema
from airflow_batchscore.publish.published import Published
from airflow_batchscore.publish.runs import staging_of
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.publish.targets import PublishTarget, target_of
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)

#: A field of ``partition_by="user_id % 10"``, see `Term.field`: a run of all partitions has each of these.
_BUCKET = re.compile(r"_(mod|hash)_\d+$")


def combine(
    manifests: Sequence[Manifest],
    output: Location,
    publication: Publication | None = None,
    table: Table | None = None,
) -> Published:
    """Publish the scores of `manifests`.

    Args:
        manifests: read from storage, each with the connection it was read with.
        output: the end of its URI chooses the kind of output; see `targets`.
        publication: the run that publishes, and how it may treat existing scores.
        table: the kind of table that the folder `output` holds, such as `Delta`; None if it is no table.

    Returns:
        What became of each partition: ``added``, ``replaced``, left ``unchanged`` (already published from the same
        manifest), ``kept`` (not in this run) or ``dropped``.

    Raises:
        GateError: there is nothing to publish, newer scores are published, or the rows of a part differ from its
            manifest. Nothing was published.
        OutputError: a file of the dataset would be replaced, scores are staged in the folder, partitions have different
            columns, a column has the name of a partition field, or the existing output cannot be replaced.
        OSError: storage failed; a retry continues.
    """
    publication = publication or Publication()
    publication = replace(publication, began=publication.began or time.time_ns())
    target = target_of(output, table)
    _check(manifests, target, publication)
    changes = target.publish(manifests, publication)
    changes.log(output.uri)
    _warn_of_kept(manifests[0], changes, output)
    return Published(target, len(manifests), sum(manifest.rows for manifest in manifests), changes)


def _warn_of_kept(manifest: Manifest, changes: Changes, output: Location) -> None:
    """Warn where rows may be published twice: when their values change, they move to other partitions."""
    divided = [] if UriPattern(manifest.dataset).fields else [*manifest.partition]  # by `partition_by`
    if changes.kept and not all(_BUCKET.search(field) for field in divided):
        log.warning(
            "%s keeps %s that this run did not score: %s. What rows hold in %s decides on their partition: "
            "rows that moved to another one since are in the output twice. If there may be any, publish a run of all "
            "partitions with replace_all=True, or delete the partitions of a folder that are gone from the dataset",
            output.uri,
            number_of(len(changes.kept), "partition"),
            listed(changes.kept),
            ", ".join(divided),
        )


def _check(manifests: Sequence[Manifest], target: PublishTarget, publication: Publication) -> None:
    if not manifests:
        raise GateError("there is no scored partition to publish")
    twice = [key for key, count in Counter(manifest.key for manifest in manifests).items() if count > 1]
    if twice:
        raise GateError(
            f"not published: there are several manifests of {', '.join(twice[:20])}; give each partition once"
        )
    require_apart(manifests[0].dataset, target.files([partition_key(manifest.columns) for manifest in manifests]))
    for staging in {staging_of(manifest).uri for manifest in manifests}:
        require_staging_apart(staging, target.location.uri, target.files([]))
    require_free_names(manifests[0], "not published")
    common_schema(manifests)
    if not any(manifest.rows for manifest in manifests) and not publication.allow_empty:
        raise GateError(
            "not published: no partition has a row. Find out why all were skipped or put "
            "into quarantine; allow_empty=True publishes them"
        )


def require_free_names(manifest: Manifest, refused: str) -> None:
    """Raises OutputError if a column has the name of a partition field: no reader can tell them apart.

    Args:
        refused: what is not done, which begins the message.
    """
    both = sorted(set(manifest.partition) & set(manifest.schema))
    if both:
        raise OutputError(
            f"{refused}: {', '.join(both)} is the name of a partition field and of a column of the scores, so that "
            "the output could not be read. The field gives the value of every row: leave the column out of the keys or "
            "outputs, or give one of the two another name"
        )
