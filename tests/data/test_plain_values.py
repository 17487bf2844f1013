"""Equal values have one form, whatever type a file keeps them in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from airflow_batchscore.data.plain_values import plain_values

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_floats_that_are_equal_are_the_same(kind: pa.DataType) -> None:
    values = np.array([1.5, -0.0, np.nan], kind.to_pandas_dtype())
    found = plain_values(pa.chunked_array([pa.array(values)]))
    assert [str(value) for value in found.to_pylist()] == ["1.5", "0.0", "None"]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array(["a", None], pa.string_view()), pa.string()),
        (pa.array([b"a", None], pa.binary_view()), pa.binary()),
        (pa.array(["a", None]).dictionary_encode(), pa.string()),
        (pa.array([1, None]), pa.int64()),
    ],
    ids=str,
)
def test_other_types_keep_their_values(column: pa.Array, kind: pa.DataType) -> None:
    found: Any = plain_values(pa.chunked_array([column]))
    assert (found.type, found.to_pylist()) == (kind, column.to_pylist())
