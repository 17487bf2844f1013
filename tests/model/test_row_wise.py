"""Whether a function looks at each row alone, and whether two results are the same."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.row_wise import check, check_quickly, first_difference, sample_rows
from airflow_batchscore.model.user_code import call

pytestmark = pytest.mark.unit

ROWS = 400
TABLE = pa.table(
    {
        "id": range(ROWS),
        "a": pa.array([None if n % 11 == 3 else float((n * 37) % 101) for n in range(ROWS)]),
        "kind": [None if n % 13 == 5 else "xyz"[n % 3] for n in range(ROWS)],
        "day": pa.array([n % 30 for n in range(ROWS)], pa.timestamp("s")),
    }
)
OTHER = pd.DataFrame({"kind": ["x", "y"], "weight": [1.0, 2.0]})

Function = Callable[[pd.DataFrame], Any]


def _call(function: Function, **options: Any) -> Any:
    return call(FunctionRef.of(function), TABLE, **options)


ALONE: list[Function] = [
    lambda frame: frame.assign(a=np.log1p(frame["a"]).fillna(0)),
    lambda frame: frame.dropna(),
    lambda frame: frame.sort_values("a"),
    lambda frame: frame.assign(b=frame["kind"].map({"x": 1, "y": 2})),
    lambda frame: frame.assign(kind=frame["kind"].astype("category")),
    lambda frame: frame[["day", "kind"]],
    lambda frame: frame.assign(both=[[left, right] for left, right in zip(frame["a"], frame["kind"], strict=True)]),
    lambda frame: frame.assign(z=(frame["a"] - 50.0) / 29.0, wide=frame["a"].astype("float32") ** 2),
    lambda frame: frame[frame["a"] > 1000],
    lambda frame: frame.merge(OTHER, on="kind", how="left").set_axis(frame.index),
]


NEIGHBOURS: list[tuple[Function, str]] = [
    (lambda frame: frame.assign(z=(frame["a"] - frame["a"].mean()) / frame["a"].std()), "column 'z' of row"),
    (lambda frame: frame.assign(a=frame["a"].fillna(frame["a"].mean())), "column 'a' of row"),
    (lambda frame: frame.assign(a=frame["a"].ffill()), "column 'a' of row"),
    (lambda frame: frame.assign(b=frame["id"].shift()), "column 'b' of row"),
    (lambda frame: frame.assign(b=frame["id"].rank()), "column 'b' of row"),
    (lambda frame: frame.assign(b=frame["a"].cumsum()), "column 'b' of row"),
    (lambda frame: frame.assign(b=frame.groupby("kind")["a"].transform("size")), "column 'b' of row"),
    (lambda frame: frame.assign(b=frame["kind"].astype("category").cat.codes), "column 'b' of row"),
    (lambda frame: frame.assign(b=pd.factorize(frame["kind"])[0]), "column 'b' of row"),
    (lambda frame: frame.assign(b=range(len(frame))), "column 'b' of row"),
    (lambda frame: frame.assign(b=frame.index), "column 'b' of row"),
    (lambda frame: frame.assign(b=pd.Series(frame["a"].to_numpy())), "column 'b' of row.*index=frame.index"),
    (lambda frame: frame.sort_values("a").set_axis(frame.index), "column 'id' of row"),
    (lambda frame: pd.get_dummies(frame, columns=["kind"]), "it gave the columns"),
    (lambda frame: frame.drop_duplicates("kind"), "rows for row"),
    (lambda frame: frame[frame["a"] > frame["a"].median()], "rows for row"),
    (lambda frame: frame.head(7), "rows for row"),
    (lambda frame: frame.assign(b=np.random.random(len(frame))), "column 'b' of row"),
    (lambda frame: frame.assign(b=frame["kind"] + frame["kind"].shift().fillna("")), "column 'b' of row"),
    (lambda frame: frame if len(frame) > 300 else 1 / 0, "it worked on 400 rows, and raised ZeroDivisionError"),
]


@pytest.mark.parametrize("function", ALONE)
def test_functions_that_look_at_each_row_alone_pass(function: Function) -> None:
    ref, made = FunctionRef.of(function), _call(function)
    check(ref, TABLE, made)
    check_quickly(ref, TABLE, made)
    one = TABLE.slice(3, 1)
    check(ref, one, call(ref, one))


def test_functions_that_make_several_rows_of_one_pass() -> None:
    def explodes(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(part=[list(range(n % 4)) for n in frame["id"]]).explode("part")

    check(FunctionRef.of(explodes), TABLE, _call(explodes, repeats=True), repeats=True)


@pytest.mark.parametrize(("function", "message"), NEIGHBOURS)
def test_functions_that_look_at_their_neighbours_are_refused(function: Function, message: str) -> None:
    with pytest.raises(RecipeError, match=f"does not look at each row alone.*{message}"):
        check(FunctionRef.of(function), TABLE, _call(function))


@pytest.mark.parametrize(("values", "quantiles"), [(3, 2), (4, 3), (6, 4), (11, 2)])
def test_quantiles_that_are_alike_in_large_parts_of_the_rows_are_refused_too(values: int, quantiles: int) -> None:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        bins = pd.qcut(frame["id"] % values, quantiles, labels=False, duplicates="drop")
        return frame.assign(b=bins.fillna(0))

    with pytest.raises(RecipeError, match="does not look at each row alone.*column 'b' of row"):
        check(FunctionRef.of(features), TABLE, _call(features))


@pytest.mark.parametrize(("function", "message"), NEIGHBOURS[:4])
def test_a_few_rows_show_most_of_it(function: Function, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_quickly(FunctionRef.of(function), TABLE, _call(function))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1.0, NAN, INF, -INF], [1.0, NAN, INF, -INF]),
        ([1.0, 1e9], [1.0 + 1e-9, 1e9 + 10]),
        ([0.0, 1e12], [500.0, 1e12]),  # what is left of two large numbers
        ([True, False], [1, 0]),
        (np.array([0.1], "float32"), np.array([0.1])),
        ([None, "a", pd.NaT], [NAN, "a", None]),
        ([[1, 2], None], [[1, 2], None]),
        ([np.array([1, 2])], [np.array([1, 2])]),
        ([Decimal("1.0")], [1]),
        (pd.array([1, None], "Int64"), pd.array([1, None], "Int64")),
        ([], []),
    ],
)
def test_results_that_differ_by_noise_are_the_same(one: Any, other: Any) -> None:
    assert first_difference(pd.DataFrame({"x": one}), pd.DataFrame({"x": other})) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1.0, 1.0], [1.0, 1.00001]),
        ([0.0, NAN], [0.0, 0.0]),
        ([0.0, INF], [0.0, -INF]),
        ([0.0, 1.0], [0.0, INF]),
        ([5, 10_000_001], [5, 10_000_002]),
        ([10**12, 5], [10**12, 6]),
        (["a", 10_000_001], ["a", 10_000_002]),
        (pd.array([None, 10_000_001], "Int64"), pd.array([None, 10_000_002], "Int64")),
        (["a", "b"], ["a", "B"]),
        (["a", None], ["a", "None"]),
        (["a", [1, 2]], ["a", [1, 2, 3]]),
    ],
)
@pytest.mark.parametrize("beside", [{}, {"w": ["text", "text"]}], ids=["alone", "beside a text"])
def test_the_first_value_that_differs_is_told_by_column_and_place(
    one: Any, other: Any, beside: dict[str, list[str]]
) -> None:
    left, right = (pd.DataFrame({**beside, "v": [0.5, 0.5], "x": values, "y": [0, 1]}) for values in (one, other))
    assert first_difference(left, right) == ("x", 1)


def test_a_sample_has_the_ends_each_row_once_and_some_with_a_missing_value() -> None:
    table = pa.table({"a": pa.array([None if n == 4321 else n for n in range(10_000)])})
    chosen = sample_rows(table, 50)
    assert {0, 9_999, 4321} <= set(chosen)
    assert len(set(chosen)) == len(chosen) <= 52
    assert sorted(chosen) != chosen.tolist()
    assert sorted(sample_rows(table.slice(0, 3))) == [0, 1, 2]
    assert len(sample_rows(table.slice(0, 0))) == 0


COUNTED: list[int] = []


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    COUNTED.append(len(frame))
    return frame


def test_a_table_is_tried_again_only_if_other_columns_lack_values() -> None:
    ref, whole, lacking = FunctionRef(f"{__name__}:counted"), TABLE.select(["id"]), TABLE.select(["a"])
    COUNTED.clear()
    check_quickly(ref, whole, call(ref, whole))
    assert COUNTED == [ROWS, 32, 1]
    check_quickly(ref, whole, call(ref, whole), again=True)
    assert COUNTED[3:] == [ROWS]
    check_quickly(ref, lacking, call(ref, lacking), again=True)
    assert COUNTED[4:] == [ROWS, 34, 1]
