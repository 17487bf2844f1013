"""What a pack of partitions does to each of them: the words between `partition` and the kinds of work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from airflow_batchscore.data.pattern import Values
from airflow_batchscore.data.shared_files import SharedFiles
from airflow_batchscore.engine.base import Engine, Session
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.block import PartSource
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.manifest import BlockResult

#: What is known of a partition once it is scored; its first item is the manifest.
S = TypeVar("S", bound=tuple[Any, ...])
S_co = TypeVar("S_co", bound=tuple[Any, ...], covariant=True)


class BeingTried(Protocol):
    """See `Attempt`."""

    @property
    def blocks(self) -> int: ...

    @property
    def done(self) -> Mapping[int, BlockResult]: ...

    @property
    def account(self) -> Account: ...

    @property
    def given(self) -> set[int]: ...

    @property
    def is_complete(self) -> bool: ...

    def next_calls(self) -> Sequence[tuple[Callable[..., Any], Any, PartSource]]: ...

    def add(self, result: Any) -> BlockResult: ...


class BeingScored(Protocol[S_co]):
    """See `PartitionInProgress`."""

    seconds: float

    @property
    def key(self) -> str: ...

    @property
    def attempt(self) -> BeingTried: ...

    def commit(self, engine: Engine, files: SharedFiles) -> S_co: ...


class Work(Protocol[S_co]):
    """What is done to each partition.

    Attributes:
        job: says what is read, and where scores go.
        parts: that a block of a partition gets.
    """

    @property
    def parts(self) -> int: ...

    @property
    def job(self) -> ScoringJob: ...

    def begin(self, values: Values, session: Session, files: SharedFiles) -> BeingScored[S_co] | S_co:
        """Begin to score a partition; what is known of it, if it is scored already. Raises BatchScoreError."""
        ...

    def found(self, values: Values, files: SharedFiles) -> S_co | None:
        """What is known of a partition if it is scored already."""
        ...
