"""`estimate`: what a run by hand will take, from a sample that is scored and thrown away."""

from __future__ import annotations

from typing import Any

from airflow_batchscore.api.reach import interpreter_of, usable_engine
from airflow_batchscore.api.work import ScoreOptions
from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.plan.estimate import Estimate
from airflow_batchscore.scoring import estimate as sampling


def estimate(
    dataset: PartitionedDataset | str,
    model: str | None = None,
    partitions: object = None,
    *,
    output_uri: str,
    engine: Engine | None = None,
    share: float = sampling.DEFAULT_SHARE,
    price_per_core_hour: float | None = None,
    **options: Any,
) -> Estimate:
    """What `score` would take with the same arguments: seconds, memory in bytes, and with a price the cost.

    A sample is scored by the engine, in a folder of its own below `output_uri` that is removed at once. Partitions that
    are committed already cost nothing. The checks and the publication are not in it.

    Args:
        dataset, model, partitions, engine: see `score`.
        output_uri: where scores would be staged.
        share: of the run's time, for the sample: above 0, at most 1. However short the run is, it measures for two
            seconds.
        price_per_core_hour: of a worker's core, in any currency; None: nothing is said of the cost.
        options: see `ScoreOptions`.

    Returns:
        The estimate. ``require_within(max_seconds, max_cost)`` raises GateError if it is above a limit.

    Raises:
        InputError: the request is wrong, or no sample is small enough: the message names the share that would do.
        BatchScoreError: what scoring the sample raises.
    """
    work, how = ScoreOptions.of(options, estimate).work(dataset, model, partitions, output_uri), usable_engine(engine)
    return sampling.estimate(
        work.job,
        [work.partitions],
        how,
        python=interpreter_of(how),
        share=share,
        price_per_core_hour=price_per_core_hour,
    )
