"""Calls of a user's functions: frames of their own, results matched by the index, one process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.user_code import FIRST_ROW, call, result_of

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


def test_what_a_function_does_to_its_frame_is_seen_by_nobody_else() -> None:
    before = TABLE.to_pylist()

    def alters(frame: pd.DataFrame) -> pd.DataFrame:
        frame["a"] = np.log1p(frame["a"])
        frame.loc[frame.index[3], "kind"] = "q"
        frame.drop(columns="day", inplace=True)
        return frame

    first, second = _call(alters), _call(alters)
    assert first.frame.equals(second.frame)
    assert TABLE.to_pylist() == before


def test_an_index_that_was_reset_has_no_row_in_common_with_a_frames_own() -> None:
    def both(frame: pd.DataFrame) -> pd.DataFrame:
        reset = frame.sort_values("a").reset_index(drop=True)
        return pd.DataFrame({"own": frame.index, "reset": reset.index}, index=frame.index)

    found = _call(both).frame
    assert not set(found["own"]) & set(found["reset"])
    assert found["own"].min() >= FIRST_ROW
    assert float(FIRST_ROW + 1) != float(FIRST_ROW)


@pytest.mark.parametrize(
    "keeps",
    [
        lambda frame: frame.sort_values("a"),
        lambda frame: frame.sample(frac=1, random_state=0),
        lambda frame: frame[::-1],
        lambda frame: pd.concat([frame[frame["kind"] == "x"], frame[frame["kind"] != "x"]]),
        lambda frame: frame.set_index(frame.index.astype("Int64")),
        lambda frame: frame.merge(OTHER, on="kind", how="left").set_axis(frame.index).drop(columns="weight"),
    ],
)
def test_rows_whose_index_is_kept_are_put_back_in_order(keeps: Function) -> None:
    made = _call(keeps)
    assert made.rows.tolist() == list(range(ROWS))
    assert made.frame["id"].tolist() == list(range(ROWS))
    assert made.frame.index.tolist() == list(range(ROWS))


def test_rows_that_are_left_out_are_known_by_number() -> None:
    made = _call(lambda frame: frame.dropna().sort_values("a", ascending=False))
    assert made.rows.tolist() == made.frame["id"].tolist() == TABLE.to_pandas().dropna()["id"].tolist()
    assert _call(lambda frame: frame[:0].reset_index(drop=True)).rows.tolist() == []


@pytest.mark.parametrize(
    "loses",
    [
        lambda frame: frame.dropna().reset_index(drop=True),
        lambda frame: frame.reset_index(drop=True),
        lambda frame: frame.merge(OTHER, on="kind"),
        lambda frame: frame.merge(OTHER, on="kind", how="left"),
        lambda frame: frame.sort_values("a").reset_index(drop=True),
        lambda frame: frame.sort_values("a", ignore_index=True),
        lambda frame: frame.drop_duplicates("a", ignore_index=True),
        lambda frame: pd.DataFrame({"a": frame["a"].to_numpy()}),
        lambda frame: frame.set_index("id"),
        lambda frame: frame.set_index("kind"),
        lambda frame: frame.set_index("day"),
        lambda frame: frame.set_index("a"),
        lambda frame: frame.groupby("kind").mean(numeric_only=True),
        lambda frame: frame.groupby("kind", dropna=False).apply(lambda some: some[["a"]]),
        lambda frame: frame.set_index(frame.index + 1),
        lambda frame: frame.set_index(frame.index.astype(float)),
        lambda frame: frame.set_index(frame.index.astype(str)),
        lambda frame: frame["kind"].value_counts(),
    ],
)
def test_a_lost_index_is_refused_with_what_to_do(loses: Function) -> None:
    with pytest.raises(RecipeError, match=r"test_user_code:.*lost the index of its rows.*set_axis\(frame.index\)"):
        _call(loses)


def test_a_row_is_repeated_only_where_that_is_meant() -> None:
    def spreads(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.loc[frame.index.repeat(frame["id"] % 3)][["id"]]

    assert _call(spreads, repeats=True).frame["id"].tolist() == [n for n in range(ROWS) for _ in range(n % 3)]
    with pytest.raises(RecipeError, match="returned 2 rows for row 2 of those it was given.*merge"):
        _call(spreads)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda frame: frame["a"].to_numpy(), "returned ndarray.*index=frame.index"),
        (lambda frame: frame["a"].tolist(), "returned list.*index=frame.index"),
        (lambda frame: None, "returned NoneType"),
        (lambda frame: pd.concat([frame, frame[["a"]]], axis=1), r"more than one column named \['a'\]"),
    ],
)
def test_a_result_that_does_not_say_whose_it_is_is_refused(result: Function, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        _call(result)


def test_a_child_that_a_function_forked_does_not_come_out(tmp_path: Path) -> None:
    def forks(frame: pd.DataFrame) -> pd.DataFrame:
        child = os.fork()
        if child:
            (tmp_path / "status").write_text(str(os.waitpid(child, 0)[1]))
        return frame

    parent = os.getpid()
    _call(forks)
    (tmp_path / f"came-out-{os.getpid()}").touch()
    time.sleep(0)
    assert [path.name for path in tmp_path.glob("came-out-*")] == [f"came-out-{parent}"]
    assert os.waitstatus_to_exitcode(int((tmp_path / "status").read_text())) == 1


class _Sorts:
    """An estimator whose methods are pandas code."""

    def predict(self, frame: pd.DataFrame) -> pd.Series:
        return frame.sort_values("a")["a"]

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.sort_values("a", ignore_index=True)


def test_predictions_that_were_sorted_go_back_to_their_rows_by_the_index() -> None:
    frame = pd.DataFrame({"a": [3.0, 1.0, 2.0]})
    assert result_of(_Sorts(), "predict", frame).tolist() == [3, 1, 2]
    assert result_of(_Sorts(), "transform", frame)["a"].tolist() == [1, 2, 3]
