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
from airflow_batchscore.spark.frames import DEFAULT_GROUP_ROWS, FrameJob, grouped

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
        model: ``"<uri>@<alias>"`` or ``"<uri>/<version>"``, pinned by its digest here and verified before it is loaded.
        method: see `ScorePartitionOperator`.
        outputs: output columns to keep; one gives a plain column, several a struct. Default: all of the method.
        group_rows: rows per call of the model; Arrow batches are combined until there are as many.
        trust: folders, signatures and types that a model must have to be loaded, for example
            ``Trust(prefixes=(Location("s3://models"),))``; None trusts the one that `model` names, which is then the
            calling code's choice.

    A row that the recipe leaves out gets null. A row that cannot be scored fails the query: a column has no place for
    it; `score_table` has.

    Raises:
        ModelError: there is no such model, method or output, or the model is not trusted.
        EngineError: pyspark is not installed.
    """
    import pandas as pd
    import pyarrow as pa

    from airflow_batchscore.engine.spark import require_pyspark

    require_pyspark()
    from pyspark.sql.functions import pandas_udf
    from pyspark.sql.pandas.types import from_arrow_schema

    # One failing row is searched for, to name it; none is tolerated.
    job = FrameJob.of(model, OutputSpec.of(method, outputs), (), Limit(1), allow_nan=allow_nan, trust=trust)
    kinds = {name: pa.type_for_alias(alias) for name, alias in job.outputs.items()}
    struct = from_arrow_schema(pa.schema(list(kinds.items())))

    def predict(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame | pd.Series]:
        # Converted one by one: a batch in which a column has no value has another type than the others.
        given = (pa.Table.from_pandas(frame, preserve_index=False) for frame in batches)
        typed = (batch for table in given for batch in cast_columns(table, job.columns, "the struct").to_batches())
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
    """A row of outputs for each row of `table`, in order; null if the recipe left it out."""
    import numpy as np
    import pyarrow as pa

    rows = replace(job, rules=replace(job.rules, keys=(_ROW,)))
    numbered = table.append_column(_ROW, pa.array(np.arange(table.num_rows)))
    ((_, scored),) = rows.score([numbered])
    if scored.failed:
        bad = scored.failed[0]
        raise ScoringError(
            f"a row cannot be scored: {bad.error}: {bad.message}; its values: {bad.raw}. Fix the data or the recipe, "
            "or use score_table, which sets such rows apart"
        )
    outputs: pd.DataFrame = scored.table.to_pandas().set_index(_ROW)
    if len(outputs) < table.num_rows:
        outputs = outputs.convert_dtypes(convert_string=False, convert_floating=False).reindex(range(table.num_rows))
    return outputs
