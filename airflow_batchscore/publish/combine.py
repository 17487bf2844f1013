"""Publish: committed parts become an output of one of the kinds in `targets`.

Readers see the old publication or the new one. A partition whose scores have not changed is left untouched, one that
the run did not score is kept, and an older publication never replaces a newer one (`order`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from airflow_batchscore.data.apart import require_apart, require_staging_apart
from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.kinds import Table
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.parts import common_schema
from airflow_batchscore.publish.published import Published
from airflow_batchscore.publish.runs import staging_of
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.publish.targets import PublishTarget, target_of
from airflow_batchscore.scoring.manifest import Manifest


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
    return Published(target, len(manifests), sum(manifest.rows for manifest in manifests), changes)


def _check(manifests: Sequence[Manifest], target: PublishTarget, publication: Publication) -> None:
    if not manifests:
        raise GateError("there is no scored partition to publish")
    twice = [key for key, count in Counter(manifest.key for manifest in manifests).items() if count > 1]
    if twice:
        raise GateError(
            f"not published: there are several manifests of {', '.join(twice[:20])}; give each partition once"
        )
    require_apart(manifests[0].dataset, target.files([manifest.key for manifest in manifests]))
    for staging in {staging_of(manifest).uri for manifest in manifests}:
        require_staging_apart(staging, target.location.uri, target.files([]))
    _require_free_names(manifests[0])
    common_schema(manifests)
    if not any(manifest.rows for manifest in manifests) and not publication.allow_empty:
        raise GateError(
            f"not published: none of the {len(manifests)} partitions has a row. Find out why all were skipped or put "
            "into quarantine; allow_empty=True publishes them"
        )


def _require_free_names(manifest: Manifest) -> None:
    """Raises OutputError if a column has the name of a partition field: no reader can tell them apart."""
    both = sorted(set(manifest.partition) & set(manifest.schema))
    if both:
        raise OutputError(
            f"not published: {', '.join(both)} is the name of a partition field and of a column of the scores, so that "
            "the output could not be read. The field gives the value of every row: leave the column out of the keys or "
            "outputs, or give the field another name in the dataset's template"
        )
