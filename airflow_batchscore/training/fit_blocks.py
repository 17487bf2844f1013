"""Fits on more rows than fit into memory: block by block with ``partial_fit``, or distributed over a Dask cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.dataset import Partition
from airflow_batchscore.data.formats.base import Block
from airflow_batchscore.errors import InputError, ModelError, RecipeError
from airflow_batchscore.model.estimators import kind_of
from airflow_batchscore.model.flavors.base import need
from airflow_batchscore.training.fit import Fitted, refuse_one_class
from airflow_batchscore.training.inputs import TrainingInput
from airflow_batchscore.training.rows import (
    Rows,
    as_share,
    blocks_of,
    make_rows,
    read_block,
    read_held_out,
)

if TYPE_CHECKING:
    import dask.dataframe as dd
    import numpy as np
    import pandas as pd
    from distributed import Client

log = logging.getLogger(__name__)

_BLOCK_ROWS = 100_000
_SAMPLE_ROWS = 50_000
#: Share of the partitions used for early stopping, at least one partition.
_STOPPING_SHARE = 0.1


@dataclass(frozen=True)
class BlockRows:
    """Reads a block's features and labels on any worker, without the held-out rows.

    Attributes:
        share: share of the rows that is held out.
    """

    source: TrainingInput
    share: float

    def both(self, partition_key: str, block: Block) -> tuple[Rows, Rows]:
        """Rows to fit on and rows held out: the same ones each time."""
        import numpy as np
        import pandas as pd

        table = read_block(self.source.dataset, partition_key, block, self.source.types)
        if table is None:
            return Rows(pd.DataFrame(), None), Rows(pd.DataFrame(), None)
        rows = make_rows(self.source, table)
        out = np.random.default_rng(block.index).random(len(rows.features)) < self.share
        return _take(rows, ~out), _take(rows, out)

    def pair(self, partition_key: str, block: Block) -> tuple[pd.DataFrame, pd.Series | None]:
        """Features and labels to fit on."""
        rows = self.both(partition_key, block)[0]
        return rows.features, rows.labels

    def glimpse(self, partition_key: str, block: Block, rows: int, *, classes: bool) -> _Glimpse:
        """What is kept of a block besides fitting on it: one of each label if `classes`, otherwise none."""
        fit_rows, test = self.both(partition_key, block)
        labels = fit_rows.labels
        if labels is not None:
            labels = labels.drop_duplicates() if classes else labels.head(0)
        return _Glimpse(fit_rows.read, len(fit_rows.features), fit_rows.features.head(rows), labels, test)


@dataclass(frozen=True)
class _Glimpse:
    read: int
    trained: int
    sample: pd.DataFrame
    labels: pd.Series | None
    test: Rows


def _take(rows: Rows, which: np.ndarray | pd.Series) -> Rows:
    labels = None if rows.labels is None else rows.labels[which]
    return Rows(rows.features[which], labels, rows.read)


@dataclass(frozen=True)
class _Seen:
    """What one pass over the blocks keeps: little, regardless of the number of rows."""

    blocks: list[tuple[Partition, Block]]
    sample: pd.DataFrame
    test: Rows
    labels: pd.Series | None
    rows_read: int
    rows_trained: int


def fit_by_blocks(estimator: object, source: TrainingInput, partitions: Sequence[Partition], holdout: object) -> Fitted:
    """Run ``partial_fit`` block by block, through dask-ml's `Incremental`. One block is in memory at a time.

    The data is read twice: first for the classes and the held-out rows, then to fit.

    Raises:
        ModelError: the estimator has no ``partial_fit``, or raises.
    """
    wrappers = need("dask_ml.wrappers", "incremental training", "dask-ml")
    if not hasattr(estimator, "partial_fit"):
        raise ModelError(
            f"{type(estimator).__name__} has no partial_fit, which incremental=True needs; SGDClassifier, "
            "SGDRegressor, MiniBatchKMeans and naive Bayes have"
        )
    rows = BlockRows(source, as_share(holdout) or 0.0)
    seen = _look(rows, partitions, estimator)
    keys = [partition.key for partition in partitions]
    refuse_one_class(estimator, seen.labels, keys)
    import dask

    features, labels = _collections(rows, seen.blocks, seen.sample, seen.labels)
    options = {"classes": seen.labels.tolist()} if _takes_classes(estimator) and seen.labels is not None else {}
    wrapped = wrappers.Incremental(estimator, random_state=0)
    try:
        with dask.config.set(scheduler="synchronous"):  # each block is read when its turn comes
            wrapped.fit(features, labels, **options)
    except Exception as error:
        raise ModelError(
            f"{type(estimator).__name__} could not be fitted on {seen.rows_trained} rows of {', '.join(keys)}, block "
            f"by block: {type(error).__name__}: {error}"
        ) from error
    test, measured_on = _test_rows(rows, seen, holdout)
    return Fitted(wrapped.estimator_, seen.sample, seen.rows_read, seen.rows_trained, test, measured_on)


def fit_on_cluster(
    estimator: Any, source: TrainingInput, partitions: Sequence[Partition], holdout: object, client: Client
) -> Fitted:
    """Fit an estimator from ``xgboost.dask`` or ``lightgbm.dask``: each worker reads its own blocks.

    With ``early_stopping_rounds``, the last tenth of the partitions (at least one) is monitored, not trained on.

    Raises:
        ModelError: the estimator raises.
    """
    keys = [partition.key for partition in partitions]
    watched: Sequence[Partition] = []
    if getattr(estimator, "early_stopping_rounds", None):
        count = max(1, int(len(partitions) * _STOPPING_SHARE))
        partitions, watched = partitions[:-count], partitions[-count:]
        if not partitions:
            raise ModelError(
                f"early stopping watches partitions that are not trained on, and {', '.join(keys)} is all there is; "
                "name more partitions, or train without early_stopping_rounds"
            )
    rows = BlockRows(replace(source, recipe=source.recipe.pinned()), as_share(holdout) or 0.0)
    seen = _look(rows, partitions, estimator, client)
    refuse_one_class(estimator, seen.labels, keys)
    features, labels = _collections(rows, seen.blocks, seen.sample, seen.labels)
    try:
        options = {}
        if watched:
            watching = _collections(rows, _look(rows, watched, estimator, client).blocks, seen.sample, seen.labels)
            options = {"eval_set": [watching], "verbose": False}
        with client.as_current():
            estimator.fit(features, labels, **options)
    except Exception as error:
        raise ModelError(
            f"{type(estimator).__name__} could not be fitted on {seen.rows_trained} rows of {', '.join(keys)}: "
            f"{type(error).__name__}: {error}"
        ) from error
    test, measured_on = _test_rows(rows, seen, holdout)
    local = _off_cluster(estimator, seen.sample)
    watched_keys = [partition.key for partition in watched] or None
    return Fitted(local, seen.sample, seen.rows_read, seen.rows_trained, test, measured_on, watched=watched_keys)


def is_distributed(estimator: object) -> bool:
    """Whether it trains on Dask collections."""
    return type(estimator).__module__.startswith(("xgboost.dask", "lightgbm.dask"))


def _off_cluster(estimator: object, sample: pd.DataFrame) -> object:
    """The same model, detached from the cluster that trained it."""
    if hasattr(estimator, "to_local"):
        return estimator.to_local()
    from airflow_batchscore.model.flavors import flavor

    kind = flavor("xgboost")
    return kind.load(kind.dump(estimator, sample), ())


def _look(rows: BlockRows, partitions: Sequence[Partition], estimator: object, client: Client | None = None) -> _Seen:
    """One pass over the blocks, on the cluster if there is one. Raises RecipeError for one over whole partitions."""
    if not rows.source.recipe.row_wise:
        raise RecipeError("row_wise=False: a recipe over whole partitions does not go with training by blocks")
    import pandas as pd

    blocks = blocks_of(rows.source.dataset, partitions, _BLOCK_ROWS, list(rows.source.types))
    each = -(-_SAMPLE_ROWS // max(len(blocks), 1))
    see = partial(rows.glimpse, rows=each, classes=kind_of(estimator) == "classifier")
    places: list[list[object]] = [[partition.key for partition, _ in blocks], [block for _, block in blocks]]
    glimpses: Iterable[_Glimpse] = client.gather(client.map(see, *places, pure=False)) if client else map(see, *places)
    kept, samples, tests, labels = [], [], [], list[Any]()
    read = trained = 0
    for place, seen in zip(blocks, glimpses, strict=True):
        read += seen.read
        trained += seen.trained
        tests.append(seen.test)
        if not seen.trained:
            continue
        kept.append(place)
        samples.append(seen.sample)
        if seen.labels is not None:
            labels = [pd.concat([*labels, seen.labels]).drop_duplicates()]
    if not kept:
        keys = ", ".join(dict.fromkeys(partition.key for partition, _ in blocks))
        raise InputError(f"partition {keys}: no rows to train on, or all {read} were skipped or have no label")
    out = [test.labels for test in tests if test.labels is not None]
    held_out = Rows(
        pd.concat([test.features for test in tests], ignore_index=True),
        pd.concat(out, ignore_index=True) if out else None,
        read,
    )
    classes = labels[0].sort_values() if labels and labels[0].ndim == 1 else labels[0] if labels else None
    return _Seen(kept, pd.concat(samples, ignore_index=True), held_out, classes, read, trained)


def _test_rows(rows: BlockRows, seen: _Seen, holdout: Any) -> tuple[Rows, str]:
    if rows.share:
        return seen.test, f"held-out {rows.share:.0%} of the rows"
    if holdout not in (None, ""):
        keys = ", ".join(partition.key for partition in holdout)
        return read_held_out(rows.source, holdout), f"held-out {keys}"
    first_partition, first = seen.blocks[0]
    return rows.both(first_partition.key, first)[0], "the first block of the training rows"


def _collections(
    rows: BlockRows, blocks: Sequence[tuple[Partition, Block]], sample: pd.DataFrame, labels: pd.Series | None
) -> tuple[dd.DataFrame, dd.Series | None]:
    """Dask frames of features and labels, one partition per block, read where they are computed."""
    import dask
    import dask.dataframe as dd

    pairs = [dask.delayed(rows.pair, nout=2)(partition.key, block) for partition, block in blocks]
    features = dd.from_delayed([pair[0] for pair in pairs], meta=sample.head(0), verify_meta=False)
    if labels is None:
        return features, None
    return features, dd.from_delayed([pair[1] for pair in pairs], meta=labels.head(0), verify_meta=False)


def _takes_classes(estimator: Any) -> bool:
    import inspect

    return "classes" in inspect.signature(estimator.partial_fit).parameters
