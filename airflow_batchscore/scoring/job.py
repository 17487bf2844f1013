"""What to score, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.recipe import column_names
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import Models, NoModel
from airflow_batchscore.quality.quarantine import Limit

DEFAULT_BLOCK_ROWS = 250_000
DEFAULT_LIMIT = Limit(1000)


@dataclass(frozen=True)
class FunctionJob:
    """A function that replaces a model; see `ScorePartitionOperator` for the meaning of each field."""

    function: FunctionRef
    group_by: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    output_types: Mapping[str, str] | None = None
    row_wise: bool = True

    column: ClassVar = None
    pinned: ClassVar[Sequence[ModelRef]] = ()

    @classmethod
    def of(
        cls,
        function: str | Callable[..., object] | None,
        group_by: str | Sequence[str] = (),
        columns: Sequence[str] | None = None,
        output_types: Mapping[str, str] | None = None,
        row_wise: bool = True,
    ) -> FunctionJob | None:
        """From arguments as people write them; None without a function.

        Raises:
            InputError, RecipeError: an argument is not of its kind.
        """
        if function is None:
            return None
        return cls(
            FunctionRef.of(function),
            column_names([group_by] if isinstance(group_by, str) else group_by, "group_by"),
            None if columns is None else column_names(columns, "columns"),
            output_types,
            row_wise,
        )


#: What the rows of a run are scored with.
ScoredWith = Models | FunctionJob


def scored_with(models: Models | NoModel, function: FunctionJob | None) -> ScoredWith:
    """The models of the plan, or the function that a scoring task applies.

    Raises:
        InputError: there are both, or neither.
    """
    if not isinstance(models, NoModel):
        if function is not None:
            raise InputError("function= replaces the model: leave model= out of PlanPartitionsOperator")
        return models
    if function is None:
        raise InputError(
            "the plan has no model: give PlanPartitionsOperator(model=...), or ScorePartitionOperator(function=...)"
        )
    return function


@dataclass(frozen=True)
class ScoringJob:
    """What to score and how; see `ScorePartitionOperator` for the meaning of each field.

    Attributes:
        token: None reuses committed scores; a text (the run's id) scores again once for that text.
        trusted_types: see `Trust`.
        files: partition key -> number of files when it was planned.
        inputs: digest of the files that partitions divide, as they were planned (`inputs_of`); empty if not known.
        replay: rescore the blocks of a committed partition that have rows in quarantine.

    Raises InputError if `block_rows` is below 1.
    """

    dataset: PartitionedDataset
    scored_with: ScoredWith
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
    files: Mapping[str, int] = field(default_factory=dict)
    inputs: str = ""

    def __post_init__(self) -> None:
        if self.block_rows < 1:
            raise InputError(f"block_rows={self.block_rows}: a block has at least 1 row")

    @property
    def accepts_empty(self) -> bool:
        """Whether a partition without rows is right: a file may have no row of some bucket."""
        return self.allow_empty or self.dataset.by is not None

    @property
    def output(self) -> Location:
        """The folder below which scores are staged."""
        return Location(self.output_uri, self.conn_id)
