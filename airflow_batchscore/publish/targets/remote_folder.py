"""Publish to a folder in an object store.

The workers of the publication's engine replace partitions one by one, each by one conditional write. A call has one
temporary copy at a time; the engine may make several at once per core, because they wait for the store.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, swap
from airflow_batchscore.publish.changes import Changes, is_same, require_rows
from airflow_batchscore.publish.order import Order
from airflow_batchscore.publish.spread import on_workers
from airflow_batchscore.publish.stamp import PartitionStamp, Publication, require_other_columns
from airflow_batchscore.publish.targets.parquet_writer import write_partition
from airflow_batchscore.publish.targets.partition_files import (
    PartitionJob,
    PublishedFile,
    others_published,
    partition_file,
    published_of,
    stamps_of,
)
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)

_ATTEMPTS = 20


def publish_remote(manifests: Sequence[Manifest], folder: Location, publication: Publication) -> Changes:
    """Publish the partitions of a run to an object store.

    Raises:
        GateError: newer scores are published, or a part differs from its manifest. Partitions replaced before that was
            noticed stay.
        OutputError: an existing file was not published by this package, or partitions with other fields are published.
    """
    order = Order.of_folder(folder)
    stamps = [PartitionStamp.of(manifest, publication) for manifest in manifests]
    require_other_columns(stamps, folder.uri)
    kept = others_published(folder, stamps)

    def look_at(stamp: PartitionStamp) -> PublishedFile:
        return published_of(folder, stamp)

    def look_at_all() -> dict[str, PublishedFile]:
        files = storage.each(look_at, stamps, folder.uri)
        return {stamp.key: file for stamp, file in zip(stamps, files, strict=True)}

    current = look_at_all()
    stamps = order.placed(stamps, stamps_of(current), publication)
    # Before these are announced: an older run must not learn of newer scores that never came.
    require_rows(stamps, stamps_of(current), folder.uri, publication)
    unfinished = order.begin(stamps)
    current = look_at_all()
    stamps = order.placed(stamps, stamps_of(current), publication)
    require_rows(stamps, stamps_of(current), folder.uri, publication)
    changes = Changes.between(stamps_of(current), stamps, keep=True)
    sent = publication.sent()
    jobs = [
        _Replacing(
            stamp=stamp,
            manifest=manifest,
            folder=folder,
            current=current[stamp.key],
            publication=sent,
        )
        for stamp, manifest in zip(stamps, manifests, strict=True)
        if not is_same(current[stamp.key].stamp, stamp) or stamp.key in unfinished
    ]
    for _ in on_workers(publication, _replace, jobs, remote=True):
        pass
    order.end(stamps)
    return replace(changes, kept=kept)


@dataclass(frozen=True, kw_only=True)
class _Replacing(PartitionJob):
    """A partition to replace, and its published file as it was seen."""

    folder: Location
    current: PublishedFile
    publication: Publication


def _replace(job: _Replacing) -> None:
    folder, stamp, current = job.folder, job.stamp, job.current
    file = partition_file(folder, stamp.column_key)
    for _ in range(_ATTEMPTS):
        Order.of_folder(folder).placed([stamp], stamps_of({stamp.key: current}), job.publication)
        with swap.replacing(file, current.seen) as new:
            write_partition(new.path, stamp, job.manifest)
        if new.done:
            return
        log.info("%s was published by another run in the meantime: reading it again", file)
        current = published_of(folder, stamp)
    raise OSError(f"{file} is being published by other runs again and again; try again when they are done")
