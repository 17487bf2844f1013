import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_batchscore.data.frames import to_frame
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

DAY = dt.datetime(2020, 2, 29)


def test_missing_text_and_truth_values_are_nan_as_pandas_reads_them() -> None:
    table = pa.table({"text": ["a", None], "large": pa.array(["a", None], pa.large_string()), "flag": [True, None]})
    table = table.append_column("none", pa.nulls(2))

    frame = to_frame(table)

    for name in table.column_names:
        own = frame[name].dtype in ("str", "float64")
        assert frame[name].iloc[1] is np.nan or (own and np.isnan(frame[name].iloc[1])), name
    assert frame["text"].dtype == pd.DataFrame({"text": ["a", np.nan]})["text"].dtype
    assert frame["flag"].tolist()[0] is True
    assert frame["none"].dtype == "float64"


def test_other_values_are_as_pandas_has_them() -> None:
    table = pa.table(
        {
            "whole": [1, 2],
            "gaps": pa.array([1, None]),
            "second": pa.array([DAY, None], pa.timestamp("s")),
            "nano": pa.array([DAY, None], pa.timestamp("ns", "UTC")),
            "money": [Decimal("1.10"), None],
            "list": [[1.0], None],
            "kind": pa.array(["x", None]).dictionary_encode(),
        }
    )

    frame = to_frame(table)

    assert frame["whole"].dtype == "int64"
    assert frame["gaps"].dtype == "float64"
    assert str(frame["second"].dtype) == "datetime64[s]"
    assert str(frame["nano"].dtype) == "datetime64[ns, UTC]"
    assert frame["money"].tolist() == [Decimal("1.10"), None]
    assert frame["list"].iloc[0].tolist() == [1.0]
    assert frame["kind"].dtype == "category"
    assert frame["kind"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "stored",
    [
        lambda frame: frame.set_index("a"),
        lambda frame: frame[2:5],
        lambda frame: frame[::-2],
        lambda frame: frame.set_index(["a", "b"]),
        lambda frame: frame.convert_dtypes(),
    ],
)
def test_columns_are_those_of_the_schema_whatever_pandas_noted_about_them(stored: Any) -> None:
    made = stored(pd.DataFrame({"a": [5, 6, 7, 8, 9, 10], "b": list("uvwxyz"), "c": [1.5] * 6}))
    table = pa.Table.from_pandas(made)

    frame = to_frame(table)

    assert list(frame.columns) == table.column_names
    assert frame.index.tolist() == list(range(len(made)))
    assert frame["c"].dtype == np.float64


@pytest.mark.parametrize("kind", ["float64", "int64", "int32", "bool", "timestamp[ns]", "timestamp[us]", "duration[s]"])
@pytest.mark.parametrize("columns", [1, 2])
def test_a_change_in_place_reaches_neither_the_table_nor_another_frame(kind: str, columns: int) -> None:
    column = pa.array([0, 1, 0]).cast(pa.int64()).cast(pa.type_for_alias(kind))
    table = pa.table({f"c{place}": column for place in range(columns)})
    before = table.to_pylist()

    other = to_frame(table)
    frame = to_frame(table)
    for array in [frame[name].to_numpy().view("u1") for name in frame]:
        array.flags.writeable = True
        array[:] = 1

    assert table.to_pylist() == before
    assert other.equals(to_frame(table))


def test_rows_of_several_chunks_and_none_are_numbered_from_the_same_place() -> None:
    table = pa.concat_tables([pa.table({"a": ["x", None]}), pa.table({"a": [None, "y"]})])

    assert to_frame(table)["a"].isna().tolist() == [False, True, True, False]
    assert to_frame(table).index[-1] == 3
    assert to_frame(table.slice(1, 2)).index.tolist() == [0, 1]
    assert to_frame(table.slice(0, 0)).shape == (0, 1)


def test_an_integer_that_would_be_rounded_is_refused() -> None:
    with pytest.raises(InputError, match=r"column 'v': 9007199254740993 is above 2\*\*53, and pandas makes floats"):
        to_frame(pa.table({"v": [1, None, 2**53 + 1]}))
    assert to_frame(pa.table({"v": [1, 2**53 + 1]}))["v"].tolist() == [1, 2**53 + 1]
    assert to_frame(pa.table({"v": [None, 2**53]}))["v"].tolist()[1] == 2**53
