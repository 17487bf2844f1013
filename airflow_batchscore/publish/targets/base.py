"""`PublishTarget`: all that publication asks of an output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.tables.kinds import Table
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.stamp import PartitionStamp, Publication
from airflow_batchscore.scoring.manifest import Manifest

RUNS = "_runs"


class PublishTarget(ABC):
    """An output: a file, a folder, or a table that commits by itself.

    A target inherits everything but `publish`, as is right for a single file.

    Attributes:
        location: its URI is as the user wrote it, for messages and reports.
        table: the kind of table, for one that `CombineOperator(table=)` names.
    """

    table: Table | None = None

    def __init__(self, location: Location) -> None:
        """Raises OutputError for a place where this kind of output cannot be; nothing is read or written yet."""
        self.location = location

    @property
    def runs(self) -> Location:
        """Folder of the runs' reports, where readers of the output do not take them for data."""
        return self.location.beside(RUNS, self.location.name)

    def files(self, keys: Sequence[str]) -> list[str]:
        """URIs of the files that a publication of these partitions writes; none may be one of the dataset's."""
        return [self.location.uri]

    def published(self) -> Mapping[str, PartitionStamp] | None:
        """Partition key -> where its published scores come from; None: this kind of output cannot tell.

        For what only looks: a plan by hand, and the cleaning of staged scores, which keeps what is published.

        Raises OutputError if the output is not ours, or cannot be read.
        """
        return None

    @abstractmethod
    def publish(self, manifests: Sequence[Manifest], publication: Publication) -> Changes:
        """Publish the partitions of a run, in one step: a reader sees the old publication or the new one.

        Only one writer may pass that step at a time, and it decides there:

        - The order (`in_turn`): scores of an older plan or attempt do not replace those of a newer one. So the output
          keeps the `PartitionStamp` of each partition, changed in the same step as its rows.
        - A partition published from the same manifest keeps its rows. One without rows does not replace one with rows
          (`require_rows`).
        - Partitions that the run did not score stay, unless `publication.replace_all` drops them.

        Args:
            manifests: one or more, checked: of different partitions, with columns that fit together.
            publication: its engine serves outputs of many files; see `spread.on_workers`.

        Returns:
            What became of each partition; see `Changes.between`.

        Raises:
            GateError: it is not this publication's turn, or a part differs from its manifest.
            OutputError: the output is not ours, has other columns, or cannot do what `publication` asks.
            OSError: storage failed, or others keep publishing; a retry continues.
        """

    def holding_still(self) -> AbstractContextManager[None]:
        """While it is held, no publication moves the folder of `runs`, so that a report written there is not lost."""
        return nullcontext()
