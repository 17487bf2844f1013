"""Publish to a hive-partitioned folder: one file per partition below ``<field>=<value>/``, others are not touched.

On an object store partitions are replaced one after the other, each by one conditional write, and one temporary copy
is held at a time. On a disk see `local_folder`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from airflow_batchscore.data import storage, swap
from airflow_batchscore.data.parquet_footer import DamagedParquetError
from airflow_batchscore.data.swap import Seen
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.changes import Changes, is_same, require_rows
from airflow_batchscore.publish.order import Order
from airflow_batchscore.publish.parquet_file import write_partition
from airflow_batchscore.publish.stamp import ForeignFileError, Publication, Stamp, read_statement
from airflow_batchscore.scoring.manifest import Manifest

log = logging.getLogger(__name__)

#: The file of a partition in a published folder.
PARTITION_FILE = "scores.parquet"
_ATTEMPTS = 20


@dataclass(frozen=True)
class Found:
    """A partition's file as it was looked at; None where there is none. A damaged one says nothing."""

    seen: Seen | None
    stamp: Stamp | None


def partition_uri(folder: str, key: str) -> str:
    """Where a partition lies in a published folder."""
    return storage.join(folder, key, PARTITION_FILE)


def look(folder: str, key: str, conn_id: str | None) -> Found:
    """What is published of a partition. Raises OutputError for a file that this package did not publish."""
    uri = partition_uri(folder, key)

    def read(_: Seen) -> Stamp | None:
        try:
            said = read_statement(uri, conn_id)
        except DamagedParquetError as error:
            log.warning("%s: it is replaced", error)
            return None
        return said.stamps[0] if said else None

    try:
        return Found(*swap.read_seen(uri, read, conn_id))
    except ForeignFileError as error:
        raise OutputError(f"not published: {error}. Move it away, or publish somewhere else") from error


def stamps_of(found: Mapping[str, Found]) -> dict[str, Stamp]:
    """The stamps of the partitions that have one."""
    return {key: one.stamp for key, one in found.items() if one.stamp is not None}


def require_same_fields(folder: str, stamps: Sequence[Stamp], conn_id: str | None = None) -> None:
    """Raises OutputError where partitions with other fields are published, whose rows a reader would see as well."""
    mine = list(stamps[0].partition)
    for file in storage.list_files(folder, conn_id, recursive=True):
        key, _, name = file.uri.removeprefix(f"{folder.rstrip('/')}/").rpartition("/")
        segments = key.split("/")
        if name != PARTITION_FILE or not all("=" in segment for segment in segments):
            continue
        theirs = [unquote(segment.partition("=")[0]) for segment in segments]
        if theirs != mine:
            raise OutputError(
                f"not published: {folder} holds {key}, a partition by {', '.join(theirs)}, and this run's partitions "
                f"are by {', '.join(mine)}. A reader would see rows twice. Publish to another folder, or delete "
                "the published partitions that have other fields"
            )


def publish_remote(
    manifests: Sequence[Manifest], folder: str, conn_id: str | None, publication: Publication
) -> Changes:
    """Publish the partitions of a run to an object store.

    Raises:
        GateError: newer scores are published, or a part is not what its manifest says. Partitions that were replaced
            before that was noticed stay.
        OutputError: a file that is there was not published by this package, or partitions with other fields are.
    """
    order = Order.of_folder(folder, conn_id)
    stamps = [Stamp.of(manifest, publication) for manifest in manifests]
    require_same_fields(folder, stamps, conn_id)

    def look_at(stamp: Stamp) -> Found:
        return look(folder, stamp.key, conn_id)

    def look_at_all() -> dict[str, Found]:
        found = storage.each(look_at, stamps, folder)
        return {stamp.key: one for stamp, one in zip(stamps, found, strict=True)}

    found = look_at_all()
    stamps = order.placed(stamps, stamps_of(found), publication)
    # Before it is said that these go to publication: an older run must not hear of newer scores that never came.
    require_rows(stamps, stamps_of(found), folder, publication)
    unfinished = order.begin(stamps)
    found = look_at_all()
    stamps = order.placed(stamps, stamps_of(found), publication)
    require_rows(stamps, stamps_of(found), folder, publication)
    changes = Changes.between(stamps_of(found), stamps, keep=True)
    for stamp, manifest in zip(stamps, manifests, strict=True):
        if not is_same(found[stamp.key].stamp, stamp) or stamp.key in unfinished:
            _replace(folder, conn_id, stamp, manifest, found[stamp.key], order, publication)
    order.end(stamps)
    return changes


def _replace(
    folder: str,
    conn_id: str | None,
    stamp: Stamp,
    manifest: Manifest,
    found: Found,
    order: Order,
    publication: Publication,
) -> None:
    uri = partition_uri(folder, stamp.key)
    for _ in range(_ATTEMPTS):
        order.placed([stamp], stamps_of({stamp.key: found}), publication)
        with swap.replacing(uri, found.seen, conn_id) as new:
            write_partition(new.path, stamp, manifest)
        if new.done:
            return
        log.info("%s was published by another run meanwhile: looking at it again", uri)
        found = look(folder, stamp.key, conn_id)
    raise OSError(f"{uri} is published by other runs all the time; try again when they are done")
