"""Everyday pandas, right and wrong: steps, which change the raw frame. A recipe is some of them and a finish.

The raw frame has the columns uid, k (any type), x, y (numbers), f (truth values), t (text) and w (times), all but uid
with missing values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

LOOKUP = pd.DataFrame({"t": ["a", "b", "x,y", "é"], "weight": [1.0, 2.5, -3.0, 7.0]})
TWICE = pd.DataFrame({"t": ["a", "a", "b"], "weight": [1.0, 2.0, 3.0]})
Frame = pd.DataFrame


# -- steps: raw frame to raw frame ------------------------------------------------
def assign(frame: Frame) -> Frame:
    frame["x"] = np.log1p(frame["x"].abs())
    return frame


def assign_twice(frame: Frame) -> Frame:
    frame["x"] = frame["x"] * 2 + 1
    frame["y"] -= frame["x"]
    return frame


def loc_mask(frame: Frame) -> Frame:
    frame.loc[frame["x"] > 1, "y"] = -1.0
    return frame


def iloc_column(frame: Frame) -> Frame:
    frame.iloc[:, frame.columns.get_loc("x")] *= 3
    return frame


def values_in_place(frame: Frame) -> Frame:
    array = frame["x"].to_numpy()
    try:
        array += 1
    except ValueError:  # read-only
        frame["x"] = array + 1
    return frame


def fill_in_place(frame: Frame) -> Frame:
    frame.fillna({"x": 5.0, "y": -5.0}, inplace=True)
    return frame


def pop(frame: Frame) -> Frame:
    frame["y"] = frame.pop("y") + 1
    return frame


def drop_in_place(frame: Frame) -> Frame:
    frame.drop(columns=["k"], inplace=True, errors="ignore")
    return frame


def dropna(frame: Frame) -> Frame:
    return frame.dropna(subset=["x"])


def dropna_in_place(frame: Frame) -> Frame:
    frame.dropna(subset=["x", "y"], inplace=True)
    return frame


def dropna_reset(frame: Frame) -> Frame:
    return frame.dropna(subset=["x"]).reset_index(drop=True)


def reset(frame: Frame) -> Frame:
    return frame.reset_index(drop=True)


def reset_in_place(frame: Frame) -> Frame:
    frame.reset_index(drop=True, inplace=True)
    return frame


def merge_left(frame: Frame) -> Frame:
    return frame.merge(LOOKUP, on="t", how="left").set_axis(frame.index).assign(x=lambda made: made["weight"])


def merge_left_lost(frame: Frame) -> Frame:
    return frame.merge(LOOKUP, on="t", how="left").assign(x=lambda made: made["weight"])


def merge_inner(frame: Frame) -> Frame:
    return frame.merge(LOOKUP, on="t").assign(x=lambda made: made["weight"])


def merge_twice(frame: Frame) -> Frame:
    return frame.merge(TWICE, on="t", how="left")


def merge_with_index(frame: Frame) -> Frame:
    return frame.reset_index().merge(LOOKUP, on="t", how="left").set_index("index").rename_axis(None)


def map_lookup(frame: Frame) -> Frame:
    return frame.assign(x=frame["t"].map(LOOKUP.set_index("t")["weight"]))


def sort(frame: Frame) -> Frame:
    return frame.sort_values("x", kind="stable")


def sort_in_place(frame: Frame) -> Frame:
    frame.sort_values("y", kind="stable", inplace=True)
    return frame


def sort_reset(frame: Frame) -> Frame:
    return frame.sort_values("x", kind="stable").reset_index(drop=True)


def sort_ignore_index(frame: Frame) -> Frame:
    return frame.sort_values("x", kind="stable", ignore_index=True)


def sort_and_back(frame: Frame) -> Frame:
    return frame.sort_values("x", kind="stable").sort_index()


def reverse(frame: Frame) -> Frame:
    return frame.iloc[::-1]


def shuffle(frame: Frame) -> Frame:
    return frame.sample(frac=1, random_state=0)


def query(frame: Frame) -> Frame:
    return frame.query("x > -1 or y > 2")


def halves(frame: Frame) -> Frame:
    return pd.concat([frame[frame["x"] > 0], frame[~(frame["x"] > 0)]])


def halves_and_back(frame: Frame) -> Frame:
    return pd.concat([frame[frame["x"] > 0], frame[~(frame["x"] > 0)]]).sort_index()


def halves_ignore_index(frame: Frame) -> Frame:
    return pd.concat([frame[frame["x"] > 0], frame[~(frame["x"] > 0)]], ignore_index=True)


def doubled(frame: Frame) -> Frame:
    return pd.concat([frame, frame])


def explode(frame: Frame) -> Frame:
    return frame.assign(x=[[value, value] for value in frame["x"]]).explode("x").astype({"x": float})


def drop_duplicates(frame: Frame) -> Frame:
    return frame.drop_duplicates(["t", "f"])


def set_index(frame: Frame) -> Frame:
    return frame.set_index("y")


def set_index_uid(frame: Frame) -> Frame:
    return frame.set_index("uid")


def fill_mean(frame: Frame) -> Frame:
    return frame.assign(x=frame["x"].fillna(frame["x"].mean()))


def fill_forward(frame: Frame) -> Frame:
    return frame.assign(x=frame["x"].ffill())


def z_score(frame: Frame) -> Frame:
    return frame.assign(x=(frame["x"] - frame["x"].mean()) / (frame["x"].std() + 1))


def group_mean(frame: Frame) -> Frame:
    return frame.assign(x=frame.groupby("t", dropna=False)["x"].transform("mean"))


def rank(frame: Frame) -> Frame:
    return frame.assign(x=frame["x"].rank())


def shift(frame: Frame) -> Frame:
    return frame.assign(x=frame["x"].shift(1))


def cumulate(frame: Frame) -> Frame:
    return frame.assign(x=frame["x"].fillna(0).cumsum())


def head(frame: Frame) -> Frame:
    return frame.head(7)


def without_first(frame: Frame) -> Frame:
    return frame.iloc[1:]


def frequency(frame: Frame) -> Frame:
    return frame.assign(x=frame["t"].map(frame["t"].value_counts()).astype(float))


def quantiles(frame: Frame) -> Frame:
    return frame.assign(x=pd.qcut(frame["y"], 3, labels=False, duplicates="drop"))


def clip(frame: Frame) -> Frame:
    return frame.assign(x=frame["x"].clip(-1, 2), y=frame["y"].clip(lower=0))


def where(frame: Frame) -> Frame:
    return frame.assign(x=np.where(frame["t"].isna(), -9.0, frame["x"]))


def by_row(frame: Frame) -> Frame:
    return frame.assign(x=[np.nan if row.x != row.x else row.x + len(str(row.t)) for row in frame.itertuples()])


def fussy(frame: Frame) -> Frame:
    """Raises for some rows, which go to quarantine."""
    if (frame["y"] == 3).any():
        raise ValueError("three is not a number that I like")
    return frame


def fussy_after_assign(frame: Frame) -> Frame:
    frame["x"] = frame["x"] * 10
    if (frame["y"] == 3).any():
        raise KeyError("three")
    return frame


def fussy_text(frame: Frame) -> Frame:
    frame["y"] += [{"a": 1, "b": 2, "x,y": 3, "é": 4, "nan": 5}[str(value)] for value in frame["t"]]
    return frame


_STEPS = [assign, assign_twice, loc_mask, iloc_column, values_in_place, fill_in_place, pop, drop_in_place, dropna]
_STEPS += [dropna_in_place, merge_left, merge_with_index, map_lookup, sort_and_back, query, halves_and_back]
_STEPS += [clip, where, by_row, fussy, fussy_after_assign, fussy_text]
#: What loses the index or the order, so that it has to be refused.
_STEPS_THAT_LOSE = [dropna_reset, reset, reset_in_place, merge_left_lost, merge_inner, merge_twice, sort, sort_in_place]
_STEPS_THAT_LOSE += [sort_reset, sort_ignore_index, reverse, shuffle, halves, halves_ignore_index, doubled, explode]
_STEPS_THAT_LOSE += [set_index, set_index_uid]
#: What looks at more than one row: it needs ``Recipe(row_wise=False)``.
_NEIGHBOURS = [drop_duplicates, fill_mean, fill_forward, z_score, group_mean, rank, shift, cumulate, head]
_NEIGHBOURS += [without_first, frequency, quantiles]


def named(functions: Sequence[Callable[[Any], Any]]) -> dict[str, Callable[[Any], Any]]:
    return {function.__name__: function for function in functions}


STEPS, STEPS_THAT_LOSE, NEIGHBOURS = named(_STEPS), named(_STEPS_THAT_LOSE), named(_NEIGHBOURS)
