"""A job's function, tried on the first rows of a partition with a notebook's types: the result must be the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.blocks import cut, read
from airflow_batchscore.data.dataset import Partition, PartitionedDataset
from airflow_batchscore.data.formats.base import Dtypes
from airflow_batchscore.data.notebook import that_apply, with_types
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model import same_types
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.user_code import Made, in_one_process
from airflow_batchscore.scoring.group_keys import canonical, places_of_groups
from airflow_batchscore.scoring.scorers.function import frames_of
from airflow_batchscore.scoring.scorers.results import of_group

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from airflow_batchscore.data.batch import Batch

#: Number of groups that a function is tried on.
GROUPS = 20
_BLOCK_ROWS = 1_000_000


def of_groups(function: FunctionRef, sample: Batch, group_by: Sequence[str], dtypes: Dtypes) -> pd.DataFrame:
    """What a function returns for the first groups of a sample."""
    import pandas as pd

    load, made = function.load(), [pd.DataFrame()]
    for group in frames_of(sample.table, _places(sample, group_by)):
        with in_one_process():
            made.append(of_group(load(with_types(group, dtypes) if dtypes else group), function.path))
    return pd.concat(made)


def _places(sample: Batch, group_by: Sequence[str]) -> Sequence[np.ndarray]:
    return places_of_groups(canonical(sample.keys, group_by))[:GROUPS]


def check(
    function: FunctionRef,
    sample: Batch,
    group_by: Sequence[str],
    dtypes: Dtypes,
    missing_in: Callable[[Sequence[str]], set[str]],
) -> None:
    """Raises RecipeError if a function returns something else for the types in a notebook.

    Args:
        missing_in: finds which of some columns lack a value anywhere in the partition. It reads the whole partition, so
            it is called only if something differs: a column with a missing value has floats in a notebook, too.
    """
    dtypes = that_apply(dtypes, sample.table)
    try:
        _check(function, sample, group_by, dtypes)
    except RecipeError:
        floats = missing_in([name for name, dtype in dtypes.items() if isinstance(dtype, str)])
        if not floats:
            raise
        _check(function, sample, group_by, {name: dtype for name, dtype in dtypes.items() if name not in floats})


def _check(function: FunctionRef, sample: Batch, group_by: Sequence[str], dtypes: Dtypes) -> None:
    if not group_by:
        same_types.check(function, sample.table, dtypes, repeats=True)
        return

    def run(types: Dtypes) -> Made | None:
        import numpy as np

        try:
            frame = of_groups(function, sample, group_by, types)
        except Exception:  # a user's function may raise anything for a group
            return None
        return Made(frame.reset_index(drop=True), np.arange(len(frame)))

    ours, theirs = run({}), run(dtypes) if dtypes else None
    if ours is not None and theirs is not None:
        same_types.refuse_difference(function.path, run, dtypes, ours, theirs)


def missing_in(
    dataset: PartitionedDataset, partition: Partition, types: Mapping[str, str | None], names: Sequence[str]
) -> set[str]:
    """The columns in `names` that lack a value in a partition."""
    wanted = {name: types[name] for name in names}
    missing: set[str] = set()
    if not wanted:
        return missing
    for block in cut(dataset, partition, block_rows=_BLOCK_ROWS, columns=list(wanted), numbered=False):
        for batch in read(dataset, block, wanted):
            table: pa.Table = batch.table
            missing |= {name for name in wanted if table.column(name).null_count}
    return missing
