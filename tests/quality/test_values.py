"""What a column holds is the same whatever its type: numbers in order, or texts with their rows; nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_batchscore.quality.profile import Bins, counted
from airflow_batchscore.quality.values import Classes, Numbers, as_floats, classes, of_frame, of_matrix, of_table

pytestmark = pytest.mark.unit


def _numbers(values: Any) -> Numbers:
    found = of_frame(pd.DataFrame({"x": values}), {"x": {"edges": []}})["x"]
    assert isinstance(found, Numbers)
    return found


@pytest.mark.parametrize(("values", "ascending", "missing", "other"), [
    ([3.0, np.nan, -np.inf, np.inf, 3.0], [-np.inf, 3.0, 3.0, np.inf], 1, 0),
    ([np.nan, np.nan], [], 2, 0),
    ([], [], 0, 0),
    ([2, 1], [1.0, 2.0], 0, 0),
    ([True, False], [0.0, 1.0], 0, 0),
    ([Decimal(2), None, "text", True, 1], [1.0, 2.0], 1, 2),
    (["text", None], [], 1, 1),
    (pd.array([2, 1], dtype="Int64"), [1.0, 2.0], 0, 0),
    (pd.to_datetime(["1970-01-02", None, "1970-01-01"]), [0.0, 86400.0], 1, 0),
    (pd.Series(["b", "a"], dtype="category"), [], 0, 2),
])  # fmt: skip
def test_numbers_are_told_from_missing_ones_and_from_what_has_no_order(
    values: Any, ascending: list[float], missing: int, other: int
) -> None:
    found = _numbers(values)
    assert (found.ascending.tolist(), found.missing, found.other) == (ascending, missing, other)
    assert found.rows == len(values)


@pytest.mark.parametrize(("values", "counts", "missing"), [
    (["b", None, "a", "b"], {"b": 2, "a": 1}, 1),
    (pd.array(["b", None, "a", "b"], dtype="string"), {"b": 2, "a": 1}, 1),
    (pd.Series(["b", None, "a", "b"], dtype="category"), {"b": 2, "a": 1}, 1),
    ([True, False, True], {"True": 2, "False": 1}, 0),
    ([True, 1, 1.0, "1", None], {"True": 1, "1": 2, "1.0": 1}, 1),
    (pd.Categorical([True, "True", None, False]), {"True": 2, "False": 1}, 1),
    (pd.array([0.1, None, 0.1], dtype="Float32"), {"0.10000000149011612": 2}, 1),
    ([[1], [1], None], {"[1]": 2}, 1),
    ([2.5, np.nan, 2.5], {"2.5": 2}, 1),
    ([None, None], {}, 2),
    ([], {}, 0),
])  # fmt: skip
def test_classes_are_counted_by_their_text_in_the_order_of_the_rows(
    values: Any, counts: dict[str, int], missing: int
) -> None:
    found = classes(pd.Series(values))
    assert list(found.counts.items()) == list(counts.items())
    assert found.missing == missing
    assert found.rows == len(values)


def test_a_column_is_what_its_bins_say_and_none_without_bins_is_looked_at() -> None:
    frame = pd.DataFrame({"x": [1.0], "s": [1.0], 0: [1.0], "id": [1.0]})
    bins: Bins = {"x": {"edges": [0.5]}, "s": {"values": ["1.0"]}, "0": {"edges": []}, "gone": {"edges": []}}
    found = of_frame(frame, bins)
    assert list(found) == ["x", "s", "0"]
    assert found["s"] == Classes({"1.0": 1}, 0)


@pytest.mark.parametrize("kind", ["float64", "float32", "int64", "uint8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_is_left_as_it_was_and_its_columns_keep_their_type(kind: str, order: Any) -> None:
    matrix = np.array([[3, 1], [2, 9]], dtype=kind, order=order)
    found = of_matrix(matrix, ["x", "y"])
    assert matrix.tolist() == [[3, 1], [2, 9]]
    columns = [each for each in found.values() if isinstance(each, Numbers)]
    assert [each.ascending.tolist() for each in columns] == [[2, 3], [1, 9]]
    assert {each.ascending.dtype for each in columns} == {np.dtype(kind)}


@pytest.mark.parametrize("rows", [slice(None), np.array([0, 2])])
def test_a_table_gives_what_a_frame_of_its_rows_gives(rows: Any) -> None:
    table = pa.table({"id": ["a", "b", "c"], "x": [2.0, 1.0, 0.5], "n": [3, 2, 1], "s": ["u", None, "v"]})
    both: tuple[Bins, ...] = (
        {"x": {"edges": [1.0]}, "n": {"edges": [2.0]}},
        {"x": {"edges": [1.0]}, "s": {"values": ["u"]}},
    )
    for bins in both:
        found, wanted = of_table(table, rows, bins), of_frame(table.to_pandas().iloc[rows], bins)
        assert counted(found, bins) == counted(wanted, bins)
        assert [each.rows for each in found.values()] == [len(table.to_pandas().iloc[rows])] * len(bins)


def test_floats_of_a_column_without_numbers_are_none() -> None:
    assert np.isnan(as_floats(pd.Series(["a", "b"]))).all()
    assert as_floats(pd.Series([1, 2])).tolist() == [1.0, 2.0]
