"""Names of types are checked where a dataset is made, not in the middle of a training."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.type_names import arrow_type
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

BOTH = ["float64", "int64", "bool", "string"]
PARQUET = ["int32", "uint64", "float32", "double", "large_string", "date32", "timestamp[us]", "timestamp[us, tz=UTC]"]
PARQUET += ["time32[s]", "time64[us]", "duration[ns]", "decimal128(10, 2)", "date32[day]", "binary", "int8", "float16"]


@pytest.mark.parametrize("kind", ["category", "int", "datetime64[ns]", "decimal(10,2)", "Int64", "str", "", None, 3])
@pytest.mark.parametrize("uri", ["/data/{k}.csv", "/data/{k}.csv.gz", "/data/{k}.parquet", "/data/{k}/"])
def test_a_type_that_there_is_not(uri: str, kind: Any) -> None:
    with pytest.raises(InputError, match=r"'x' has the type .* unknown; there are float64, int64, bool, string"):
        PartitionedDataset(uri, read_options={"column_types": {"id": "int64", "x": kind}})


@pytest.mark.parametrize("kind", BOTH + PARQUET)
def test_a_type_that_there_is(kind: str) -> None:
    arrow_type(kind)
    PartitionedDataset("/data/{k}.parquet", read_options={"column_types": {"x": kind}})
    PartitionedDataset("/data/{k}/", read_options={"column_types": {"x": kind}})
    if kind in BOTH:
        PartitionedDataset("/data/{k}.csv", read_options={"column_types": {"x": kind}})
    else:
        with pytest.raises(InputError, match="unknown"):
            PartitionedDataset("/data/{k}/", format="csv", read_options={"column_types": {"x": kind}})


def test_what_is_no_mapping() -> None:
    with pytest.raises(InputError, match="column_types=.* is not a mapping"):
        PartitionedDataset("/data/{k}.csv", read_options={"column_types": ["x"]})
