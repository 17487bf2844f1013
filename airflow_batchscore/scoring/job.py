"""What is to be scored, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit

DEFAULT_BLOCK_ROWS = 250_000
DEFAULT_LIMIT = Limit(1000)

#: Called after each block with (blocks done, blocks in all, account so far).
Progress = Callable[[int, int, Account], None]


@dataclass(frozen=True)
class ScoringJob:
    """What to score and how; see `ScorePartitionOperator` for the meaning of each.

    Attributes:
        token: None reuses what is committed; a text (the run's id) scores again once for that text.
        trusted_types: see `Trust`.
        replay: score the blocks of a committed partition again that have rows in quarantine.
    """

    dataset: PartitionedDataset
    model: ModelRef
    output_uri: str
    method: str = "predict"
    keys: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    block_rows: int = DEFAULT_BLOCK_ROWS
    limit: Limit = DEFAULT_LIMIT
    allow_nan: bool = False
    allow_empty: bool = False
    token: str | None = None
    replay: bool = False
    trusted_types: tuple[str, ...] = ()
    conn_id: str | None = None
