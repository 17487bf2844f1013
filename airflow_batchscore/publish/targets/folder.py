"""A hive-partitioned folder: one file per partition below ``<field>=<value>/``; the others are not touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, real, swap
from airflow_batchscore.errors import OutputError, listed
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.stamp import PartitionStamp, Publication
from airflow_batchscore.publish.targets.base import RUNS, PublishTarget
from airflow_batchscore.publish.targets.local_folder import publish_local
from airflow_batchscore.publish.targets.partition_files import (
    partition_file,
    published_file,
    published_keys,
    require_no_table,
)
from airflow_batchscore.publish.targets.remote_folder import publish_remote
from airflow_batchscore.scoring.manifest import Manifest


class FolderTarget(PublishTarget):
    """A folder. On a disk all partitions change in one step; in an object store, one by one."""

    @property
    def runs(self) -> Location:
        """Inside the folder; readers skip names that begin with an underscore."""
        return self.location / RUNS

    def files(self, keys: Sequence[str]) -> list[str]:
        """The partitions' files."""
        return [partition_file(self.location, key).uri for key in keys]

    def published(self) -> Mapping[str, PartitionStamp]:
        """See `PublishTarget.published`. Raises OutputError for a table, and for a file that is not ours."""
        require_no_table(self.location)
        keys = published_keys(self.location)
        files = storage.each(lambda key: published_file(self.location, key), keys, self.location.uri)
        damaged = [key for key, file in zip(keys, files, strict=True) if file.seen and not file.stamp]
        if damaged:
            raise OutputError(f"{self.location}: {listed(damaged)} cannot be read: publish them again")
        return {file.stamp.key: file.stamp for file in files if file.stamp is not None}

    def publish(self, manifests: Sequence[Manifest], publication: Publication) -> Changes:
        """See `PublishTarget.publish`.

        Raises OutputError for ``replace_all``, as a folder drops nothing, for ``field_types``, as it has no types, and
        for a folder that holds a table.
        """
        if publication.field_types:
            raise OutputError(
                f"field_types= is for an output with a column per partition field; in {self.location} the fields are "
                "names of folders, and who reads it says their types. Publish a single file, or leave it out"
            )
        if publication.replace_all:
            raise OutputError(
                f"replace_all=True is for a single file; in the folder {self.location} each partition is replaced by "
                "itself. Delete the folders of partitions that should go"
            )
        require_no_table(self.location)
        if self.location.is_local:
            return publish_local(manifests, self.location, publication)
        return publish_remote(manifests, self.location, publication)

    @contextmanager
    def holding_still(self) -> Iterator[None]:
        """On a disk: lock the folder, because a publication swaps it for another with the files that it saw."""
        if self.location.is_local:
            with swap.locked(real(self.location.uri)):
                yield
        else:
            yield
