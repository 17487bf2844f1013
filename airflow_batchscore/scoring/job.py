"""What is to be scored, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.model.choice import Chosen
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.by_column import ModelSet

DEFAULT_BLOCK_ROWS = 250_000
DEFAULT_LIMIT = Limit(1000)

#: Called after each block with (blocks done, blocks in all, account so far).
Progress = Callable[[int, int, Account], None]


@dataclass(frozen=True)
class FunctionJob:
    """A function in a model's place; see `ScorePartitionOperator` for the meaning of each."""

    function: FunctionRef
    group_by: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    output_types: Mapping[str, str] | None = None
    row_wise: bool = True


@dataclass(frozen=True)
class ScoringJob:
    """What to score and how; see `ScorePartitionOperator` for the meaning of each.

    One of `model`, `choices`, `models` and `function` says what with.

    Attributes:
        model: one for all partitions.
        choices: partition key -> the model of each.
        like: a model whose output columns the partitions without one have.
        models: one for each value of the column `model_by`.
        token: None reuses what is committed; a text (the run's id) scores again once for that text.
        trusted_types: see `Trust`.
        files: partition key -> how many files it had when it was planned.
        replay: score the blocks of a committed partition again that have rows in quarantine.
    """

    dataset: PartitionedDataset
    model: ModelRef | None
    output_uri: str
    spec: OutputSpec = field(default_factory=OutputSpec)
    keys: tuple[str, ...] | None = None
    block_rows: int = DEFAULT_BLOCK_ROWS
    limit: Limit = DEFAULT_LIMIT
    allow_nan: bool = False
    allow_empty: bool = False
    token: str | None = None
    replay: bool = False
    trusted_types: tuple[str, ...] = ()
    conn_id: str | None = None
    choices: Mapping[str, Chosen] | None = None
    like: ModelRef | None = None
    models: ModelSet | None = None
    model_by: str | None = None
    function: FunctionJob | None = None
    files: Mapping[str, int] = field(default_factory=dict)
