"""A model as a Spark column: ``frame.withColumn("p", predict_udf(model)(struct("a", "b")))``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.casting import cast_columns
from airflow_batchscore.errors import ScoringError
from airflow_batchscore.model.outputs import OutputSpec
from airflow_batchscore.model.trust import Trust
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.scoring.frames import DEFAULT_GROUP_ROWS, FrameJob, grouped

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_ROW = "batchscore_row"


def predict_udf(
    model: str,
    *,
    method: str = "predict",
    outputs: list[str] | None = None,
    group_rows: int = DEFAULT_GROUP_ROWS,
    allow_nan: bool = False,
    trust: Trust | None = None,
) -> Any:
    """A pandas UDF over a struct of the recipe's columns. The model is resolved now, and loaded once per Python worker.

    Args:
        model: ``"<uri>@<alias>"`` or ``"<uri>/<version>"``, pinned by its digest here and checked before it is loaded.
        method: as of `ScorePartitionOperator`.
        outputs: output columns to keep; one makes a plain column, several a struct. Default: all of the method.
        group_rows: rows of one call of the model; Arrow batches are put together until there are as many.
        trust: folders, signatures and types that make a model one that may be loaded, ``Trust(prefixes=((None,
            "s3://models"),))``; None takes the one that `model` names, which is then code's own choice.

    A row that the recipe leaves out gets null. A row that cannot be scored fails the query: a column has nowhere to put
    it. `score_table` has.

    Raises:
        ModelError: there is no such model, method or output, or the model is not to be trusted.
        EngineError: pyspark is not installed.
    """
    import pandas as pd
    import pyarrow as pa

    from airflow_batchscore.engine.spark import require_pyspark

    require_pyspark()
    from pyspark.sql.functions import pandas_udf
    from pyspark.sql.pandas.types import from_arrow_schema

    # One failing row is looked for, to name it; none is let pass.
    job = FrameJob.of(model, OutputSpec.of(method, outputs), (), Limit(1), allow_nan=allow_nan, trust=trust)
    kinds = {name: pa.type_for_alias(alias) for name, alias in job.outputs.items()}
    struct = from_arrow_schema(pa.schema(list(kinds.items())))

    def predict(batches: Iterator[pd.DataFrame]) -> Iterator[Any]:
        # Typed one by one: a batch in which a column has no value has another type than the others.
        given = (pa.Table.from_pandas(frame, preserve_index=False) for frame in batches)
        typed = (batch for some in given for batch in cast_columns(some, job.columns, "the struct").to_batches())
        for table in grouped(typed, group_rows):
            scored = _scored(job, table)
            yield scored if len(kinds) > 1 else scored[next(iter(kinds))]

    single = len(kinds) == 1
    predict.__annotations__ = {
        "batches": Iterator[pd.DataFrame],
        "return": Iterator[pd.Series] if single else Iterator[pd.DataFrame],
    }
    return pandas_udf(predict, struct[0].dataType if single else struct)


def _scored(job: FrameJob, table: pa.Table) -> pd.DataFrame:
    """A row of outputs for each row of `table`, in its order; null where the recipe left it out."""
    import numpy as np
    import pyarrow as pa

    rows = replace(job, keys=(_ROW,))
    numbered = table.append_column(_ROW, pa.array(np.arange(table.num_rows)))
    ((_, scored),) = rows.score([numbered])
    if scored.failed:
        bad = scored.failed[0]
        raise ScoringError(
            f"a row cannot be scored: {bad.error}: {bad.message}; its values: {bad.raw}. Fix the data or the recipe, "
            "or use score_table, which sets such rows apart"
        )
    found: pd.DataFrame = scored.table.to_pandas().set_index(_ROW)
    if len(found) < table.num_rows:
        found = found.convert_dtypes(convert_string=False, convert_floating=False).reindex(range(table.num_rows))
    return found
