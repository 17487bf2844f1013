"""What a run by hand is about: the job that scoring tasks get from their operators, made from arguments."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from inspect import signature
from typing import TYPE_CHECKING, Any

from airflow_batchscore.api.reach import usable, usable_dataset
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.shared_files import inputs_of
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, listed
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.recipe import column_names
from airflow_batchscore.model.reference import GivenModel
from airflow_batchscore.model.trust import TRUST_ALL, ModelAccess, Trust
from airflow_batchscore.plan.choose import plan_models
from airflow_batchscore.plan.packing import requested_partitions
from airflow_batchscore.plan.policy import ModelPolicy
from airflow_batchscore.publish.state import ScoringRun
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.job import DEFAULT_BLOCK_ROWS, DEFAULT_LIMIT, FunctionJob, ScoringJob, scored_with

if TYPE_CHECKING:
    import pandas as pd

#: The place of a DAG's id in the names of what runs by hand leave on storage.
BY_HAND = "by-hand"


@dataclass(frozen=True)
class Work:
    """What to score, how, and which partitions.

    Attributes:
        began: ns since 1970: the generation of the run.
    """

    job: ScoringJob
    partitions: Sequence[Partition]
    run: ScoringRun
    began: int


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """How to score: see `ScorePartitionOperator` and `PlanPartitionsOperator`, which have these arguments too.

    Attributes:
        function: instead of a model.
        keys: columns to keep; None: those of the model's recipe.
        conn_id: for the model and the output; the dataset names its own.
        trust: conditions that a model must meet; None trusts the one that is named.
    """

    method: str | Sequence[str] = "predict"
    keys: Sequence[str] | None = None
    outputs: Sequence[str] | Mapping[str, str] | None = None
    flags: Mapping[str, str] | None = None
    model_policy: ModelPolicy | None = None
    function: str | Callable[..., pd.DataFrame] | None = None
    group_by: Sequence[str] = ()
    columns: Sequence[str] | None = None
    output_types: Mapping[str, str] | None = None
    row_wise: bool = True
    block_rows: int = DEFAULT_BLOCK_ROWS
    quarantine: int | float = DEFAULT_LIMIT.value
    allow_nan: bool = False
    allow_empty: bool = False
    force: bool = False
    replay_quarantined: bool = False
    conn_id: str | None = None
    trust: Trust | None = field(default=None, repr=False)

    @classmethod
    def of(cls, options: Mapping[str, Any], function: Callable[..., object]) -> ScoreOptions:
        """Raises InputError for an unknown one, which names those there are and the other arguments of `function`."""
        unknown = sorted(set(options) - set(cls.__dataclass_fields__))
        if unknown:
            own = (name for name, each in signature(function).parameters.items() if each.kind is each.KEYWORD_ONLY)
            there = [*cls.__dataclass_fields__, *own]
            meant = [like for name in unknown for like in get_close_matches(name, there, n=1)]
            hint = f"did you mean {', '.join(meant)}? There" if meant else "there"
            raise InputError(f"there is no option {', '.join(unknown)}; {hint} are {', '.join(there)}")
        return cls(**options)

    def work(self, dataset: PartitionedDataset | str, model: str | None, partitions: object, output_uri: str) -> Work:
        """Find the partitions, pin the models, and put the job together. Nothing is scored or written.

        Raises:
            InputError: a partition is missing, or there is neither a model nor a function, or both.
            ModelError: the model does not exist, is damaged, or is not trusted.
        """
        began = time.time_ns()
        reached = usable_dataset(dataset)
        inputs = inputs_of(reached)  # before its partitions are found, which may be made of rows
        found = requested_partitions(reached, partitions)
        if model is None and self.function is None:
            raise InputError("there is nothing to score with: give model='<uri>@<alias>', or function='module:name'")
        if model is not None and self.function is not None:
            raise InputError("function= replaces the model: leave model= out")
        if model is not None and not isinstance(model, str):
            raise InputError(
                f"model={model!r}: name one, '<uri>@<alias>'. A champion and its challenger are scored together by "
                "Airflow's operators; here, score one after the other"
            )
        self._require_used()
        place = usable(Location(model, self.conn_id)) if model else None
        access = ModelAccess(place.conn_id if place else None, self.trust or TRUST_ALL)
        given = GivenModel(place.uri) if place else None
        models = plan_models(given, reached, found, self.model_policy, access)
        output = usable(Location(output_uri, self.conn_id))
        run = ScoringRun(BY_HAND, _run_id(began))
        function = FunctionJob.of(self.function, self.group_by, self.columns, self.output_types, self.row_wise)
        job = ScoringJob(
            dataset=reached,
            scored_with=scored_with(models, function),
            output_uri=output.uri,
            spec=OutputSpec.of(self.method, self.outputs, self.flags),
            keys=None if self.keys is None else column_names(self.keys, "keys"),
            block_rows=self.block_rows,
            limit=Limit.of(self.quarantine),
            allow_nan=self.allow_nan,
            allow_empty=self.allow_empty,
            token=run.name if self.force else None,
            replay=self.replay_quarantined,
            trusted_types=access.trust.types,
            files={partition.key: len(partition.files) for partition in found},
            inputs=inputs,
            conn_id=output.conn_id,
        )
        return Work(job, found, run, began)

    def _require_used(self) -> None:
        """Raise InputError for what only a function takes: with a model it would change nothing."""
        given = {"group_by": self.group_by, "columns": self.columns, "output_types": self.output_types}
        names = [f"{name}=" for name, value in given.items() if value]
        if names and self.function is None:
            raise InputError(
                f"{listed(names)}: only function= takes that, a model takes the columns of its recipe: leave it out"
            )


def who() -> str:
    """The user of this process, for histories and the names of runs."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        return "somebody"


def _run_id(began: int) -> str:
    moment = datetime.fromtimestamp(began / 1e9, UTC)
    return f"{moment.strftime('%Y-%m-%dT%H.%M.%S.%f')}-{who()}"
