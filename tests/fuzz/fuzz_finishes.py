"""Everyday pandas, right and wrong: finishes, which make features of the raw frame, targets, functions of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from fuzz_steps import NEIGHBOURS, STEPS, STEPS_THAT_LOSE, named

BINS = [-np.inf, -2.0, 0.0, 2.0, np.inf]
Frame = pd.DataFrame


def _numbers(frame: Frame) -> Frame:
    return frame[["x", "y"]].fillna(0.0)


# -- finishes: raw frame to features ----------------------------------------------
def plain(frame: Frame) -> Frame:
    return _numbers(frame)


def slice_of_it(frame: Frame) -> Frame:
    return frame[["x", "y"]]


def text_length(frame: Frame) -> Frame:
    return _numbers(frame).assign(length=frame["t"].str.len().fillna(-1))


def text_upper(frame: Frame) -> Frame:
    return _numbers(frame).assign(is_a=frame["t"].str.upper().str.strip() == "A")


def text_missing(frame: Frame) -> Frame:
    return _numbers(frame).assign(missing=[value is None for value in frame["t"]], odd=frame["t"].astype(str).str.len())


def text_as_it_is(frame: Frame) -> Frame:
    """For a pipeline that takes text."""
    return frame[["x", "y", "t"]]


def text_of_numbers(frame: Frame) -> Frame:
    return _numbers(frame).assign(length=frame["y"].astype(str).str.len())


def text_of_whole_numbers(frame: Frame) -> Frame:
    """The same whether a number is missing or not."""
    keys = frame["y"].round().astype("Int64").astype(str) + "_" + frame["f"].astype(str)
    return _numbers(frame).assign(weight=keys.map({"1_True": 3.0, "2_False": 4.0}).fillna(0.0))


def whole_columns(frame: Frame) -> Frame:
    """Without the label, which a recipe gets only where it names it."""
    inputs = frame.drop(columns=["uid", "k", "label"], errors="ignore")
    return inputs.select_dtypes("int64").iloc[:, :1].assign(x=frame["x"].fillna(0.0))


def dummies(frame: Frame) -> Frame:
    made = pd.get_dummies(frame["t"], prefix="t").reindex(columns=["t_a", "t_b"], fill_value=False)
    return _numbers(frame).join(made)


def dummies_of_the_batch(frame: Frame) -> Frame:
    return _numbers(frame).join(pd.get_dummies(frame["t"], prefix="t"))


def codes(frame: Frame) -> Frame:
    made = frame["t"].astype(pd.CategoricalDtype(["a", "b", "é"])).cat.codes
    return _numbers(frame).assign(code=made)


def codes_of_the_batch(frame: Frame) -> Frame:
    return _numbers(frame).assign(code=frame["t"].astype("category").cat.codes)


def factorized(frame: Frame) -> Frame:
    return _numbers(frame).assign(code=pd.factorize(frame["t"])[0])


def bins(frame: Frame) -> Frame:
    return _numbers(frame).assign(bin=pd.cut(frame["x"], BINS, labels=False).fillna(-1))


def times(frame: Frame) -> Frame:
    when = pd.to_datetime(frame["w"])
    return _numbers(frame).assign(year=when.dt.year.fillna(0), day=when.dt.dayofweek.fillna(9))


def truths(frame: Frame) -> Frame:
    return _numbers(frame).assign(f=[value is True or value == 1 for value in frame["f"]])


def new_frame(frame: Frame) -> Frame:
    """Without an index: lost."""
    return pd.DataFrame({"x": frame["x"].fillna(0).to_numpy(), "y": frame["y"].fillna(0).to_numpy()})


def new_frame_with_index(frame: Frame) -> Frame:
    return pd.DataFrame({"x": frame["x"].fillna(0).to_numpy(), "y": np.arange(len(frame)) * 0.0}, index=frame.index)


def one_column(frame: Frame) -> Any:
    return frame["x"].fillna(0.0)


def an_array(frame: Frame) -> Any:
    return _numbers(frame).to_numpy()


def concat_columns(frame: Frame) -> Frame:
    return pd.concat([frame["x"].fillna(0), frame["y"].fillna(0), frame["x"].isna().rename("z")], axis=1)


def concat_columns_apart(frame: Frame) -> Frame:
    """Columns that came apart: one of them lost its index."""
    return pd.concat([frame["x"].fillna(0), frame["y"].fillna(0).reset_index(drop=True)], axis=1).dropna()


def applied(frame: Frame) -> Frame:
    made = [(row["x"] if row["x"] == row["x"] else 0.0, len(str(row["t"]))) for _, row in frame.iterrows()]
    return pd.DataFrame(made, index=frame.index, columns=["x", "length"])


def with_text_of_key(frame: Frame) -> Frame:
    """Reads the key column, if it may."""
    return _numbers(frame).assign(key=frame["uid"].astype(str).str.len())


def melted(frame: Frame) -> Frame:
    return frame[["x", "y"]].fillna(0).melt(value_name="x")[["x"]]


# -- targets ----------------------------------------------------------------------
def label_as_text(frame: Frame) -> Any:
    return frame["label"].map({0: "no", 1: "yes!"})


def label_assigned(frame: Frame) -> Any:
    frame["x"] = 0.0
    frame["label"] = (frame["label"] > 0).astype(int)
    return frame["label"]


def label_reset(frame: Frame) -> Any:
    return frame.dropna(subset=["x"]).reset_index(drop=True)["label"]


def label_sorted(frame: Frame) -> Any:
    return frame.sort_values("x")["label"]


def label_array(frame: Frame) -> Any:
    return frame["label"].to_numpy()


def label_frame(frame: Frame) -> Any:
    return frame[["label"]]


def label_amount(frame: Frame) -> Any:
    return frame["y"].fillna(0) * 2 - frame["x"].fillna(0).clip(-100, 100)


def label_of_some(frame: Frame) -> Any:
    return frame.loc[frame["f"] == True, "label"]  # noqa: E712 - as people write it


# -- functions over the rows of a group ---------------------------------------------
def group_summary(frame: Frame) -> Frame:
    return pd.DataFrame({"n": [len(frame)], "total": [frame["x"].sum()]})


def group_shares(frame: Frame) -> Frame:
    frame["x"] = frame["x"].fillna(0) - frame["x"].mean()
    return frame[["x"]].fillna(0)


def group_fussy(frame: Frame) -> Frame:
    if len(frame) == 3:
        raise ValueError("three is a crowd")
    return pd.DataFrame({"n": [len(frame)]})


def group_nothing(frame: Frame) -> Frame:
    return pd.DataFrame({"n": [len(frame)]})[: len(frame) % 2]


_TARGETS = [label_as_text, label_assigned, label_frame, label_amount, label_of_some]
_TARGETS_THAT_LOSE = [label_reset, label_sorted, label_array]
_GROUPED = [group_summary, group_shares, group_fussy, group_nothing]
_FINISHES = [plain, slice_of_it, text_length, text_upper, text_missing, text_as_it_is, dummies, codes, bins, times]
_FINISHES += [
    text_of_numbers,
    text_of_whole_numbers,
    whole_columns,
    truths,
    new_frame_with_index,
    one_column,
    concat_columns,
    applied,
    with_text_of_key,
]
_FINISHES_THAT_LOSE = [new_frame, an_array, concat_columns_apart, melted]
_FINISHES_OF_THE_BATCH = [dummies_of_the_batch, codes_of_the_batch, factorized]

TARGETS, TARGETS_THAT_LOSE, GROUPED = named(_TARGETS), named(_TARGETS_THAT_LOSE), named(_GROUPED)
FINISHES, FINISHES_THAT_LOSE = named(_FINISHES), named(_FINISHES_THAT_LOSE)
FINISHES_OF_THE_BATCH = named(_FINISHES_OF_THE_BATCH)
_EVERY = {**STEPS, **STEPS_THAT_LOSE, **NEIGHBOURS, **FINISHES, **FINISHES_THAT_LOSE, **FINISHES_OF_THE_BATCH}


def recipe(steps: Sequence[str], finish: str) -> Callable[[Any], Any]:
    """The steps and the finish as one function: a closure, or the finish itself, which has an import path."""
    if not steps:
        return _EVERY[finish]
    chain = [_EVERY[name] for name in (*steps, finish)]

    def features(frame: Any) -> Any:
        for function in chain:
            frame = function(frame)
        return frame

    return features


def target(name: str) -> Callable[[Any], Any]:
    return {**TARGETS, **TARGETS_THAT_LOSE}[name]
