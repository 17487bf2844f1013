"""The right answer to a case, in plain pandas: no line of the package that is tested is used here."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz_finishes
import fuzz_models
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from fuzz_cases import COLUMNS, COLUMNS_READ, Case

#: Rows are numbered from here, so that an index that was reset is seen.
_FIRST = 7_000_001


class RefusedError(Exception):
    """There is no right answer: scores must not be published."""


class UnclearError(Exception):
    """The user's function works on each row alone but not on all of them."""


def read(case: Case, folder: Path, partition: int) -> tuple[pd.DataFrame, dict[str, list[Any]]]:
    """The rows of a partition as a notebook has them, and its columns as keys.

    Whole numbers are so where pandas has them whole in what is trained on (of functions: in the first partition).
    """
    frame, keys = _read(case, folder, partition)
    first = 0 if case.work in ("model", "no recipe") else 1
    known = frame if partition == first else _read(case, folder, first)[0]
    declared = case.read_options.get("column_types", {})
    numbers = [name for name in frame.select_dtypes(["integer", "floating"]) if name not in ("uid", "k")]
    floats = [name for name in numbers if known[name].dtype.kind == "f" or declared.get(name) == "float64"]
    small = [name for name in numbers if name not in floats and frame[name].dtype.kind in "iu"]
    whole = dict.fromkeys(small, "int64")  # also unsigned and short ones, which go over without a word
    frame = frame.astype(dict.fromkeys([*floats, *(set(numbers) - set(small))], "float64") | whole)
    return frame, keys


def _read(case: Case, folder: Path, partition: int) -> tuple[pd.DataFrame, dict[str, list[Any]]]:
    """The same in the types that pandas gives them."""
    paths = sorted((folder / f"p={partition}").iterdir())
    if case.is_csv:
        options: dict[str, Any] = {"sep": case.delimiter, "encoding": "utf-8-sig", "float_precision": "round_trip"}
        text = {"t": str, "w": str}  # also where a file has none
        frame = pd.concat([pd.read_csv(path, dtype=text, **options) for path in paths])
        texts = pd.concat([pd.read_csv(path, dtype=str, keep_default_na=False, **options) for path in paths])
        keys = {name: texts[name].tolist() for name in COLUMNS}
        for name, kind in case.read_options.get("column_types", {}).items():
            keys[name] = [{"int64": int, "float64": float}[kind](value) if value else None for value in keys[name]]
    else:
        tables = [pq.read_table(path).replace_schema_metadata(None).select(list(COLUMNS)) for path in paths]
        frame = pd.concat([table.to_pandas() for table in tables])
        keys = {name: [value for table in tables for value in table[name].to_pylist()] for name in COLUMNS}
    frame = frame.set_axis(pd.RangeIndex(_FIRST, _FIRST + len(frame)))
    for name in frame.select_dtypes(object).columns:
        frame[name] = frame[name].where(frame[name].notna(), np.nan)
    return frame[[*_recipe_columns(case)]], keys


def _recipe_columns(case: Case) -> list[str]:
    return list(COLUMNS_READ if case.columns else COLUMNS)


def features(case: Case) -> Callable[[pd.DataFrame], Any]:
    if case.work == "no recipe":
        return lambda frame: frame[["x", "y"]]
    return fuzz_finishes.recipe(case.steps, case.finish)


def apply(case: Case, frame: pd.DataFrame, *, several: bool = False) -> pd.DataFrame:
    """The user's function on a whole partition; what it gives must say which rows it comes from."""
    made = features(case)(copy.deepcopy(frame))
    if isinstance(made, pd.Series):
        made = made.to_frame()
    if not isinstance(made, pd.DataFrame):
        raise RefusedError(f"gave {type(made).__name__}")
    if len(made) and (not made.index.isin(frame.index).all() or (made.index.has_duplicates and not several)):
        raise RefusedError("the index is lost, or doubled")
    return made.sort_index(kind="stable")


def fit(case: Case, folder: Path) -> tuple[Any, list[str]]:
    """The model, trained on partition 0, and the names of its features."""
    frame, _ = read(case, folder, 0)
    made = apply(case, frame)
    labels = _labels(case, frame)
    known = labels[labels.index.isin(made.index)].dropna().index
    rows = made.loc[made.index.isin(known)]
    if not len(rows):
        raise RefusedError("nothing to train on")
    model = fuzz_models.MODELS[case.model][0]()
    return model.fit(rows.copy(), labels.loc[rows.index]), list(made.columns)


def _labels(case: Case, frame: pd.DataFrame) -> pd.Series:
    given = (
        frame["label"].astype("int64") if case.target == "label" else fuzz_finishes.target(case.target)(frame.copy())
    )
    if isinstance(given, pd.DataFrame):
        given = given.iloc[:, 0]
    if isinstance(given, np.ndarray):
        given = pd.Series(given, frame.index)
    if not given.index.isin(frame.index).all():
        raise RefusedError("the target lost its index")
    return given


def predict(case: Case, model: Any, names: list[str], frame: pd.DataFrame) -> dict[int, list[list[Any]]]:
    """Index of a row -> what its row of scores holds."""
    made = apply(case, frame)
    if not set(names) <= set(made.columns):
        raise RefusedError("features of training are missing")
    if not len(made):
        return {}
    columns: list[np.ndarray] = []
    for method in case.method.split(", "):
        values = np.asarray(getattr(model, method)(made[names].copy()))
        columns += [values] if values.ndim == 1 else list(values.T)
    if not case.allow_nan and any(pd.isna(column).any() for column in columns):
        raise RefusedError("a prediction is missing")
    return {row: [[column[n] for column in columns]] for n, row in enumerate(made.index)}


def transform(case: Case, frame: pd.DataFrame) -> dict[int, list[list[Any]]]:
    """The same where a function is applied: it may make several rows of one."""
    made = apply(case, frame, several=True)
    found: dict[int, list[list[Any]]] = {}
    for row, *values in made.itertuples(name=None):
        found.setdefault(row, []).append(values)
    return found


def split(frame: pd.DataFrame, score: Callable[[pd.DataFrame], Any]) -> tuple[Any, list[int]]:
    """What `score` gives for all rows but those that it raises for, and the latter."""
    try:
        return score(frame), []
    except RefusedError:
        raise
    except Exception:
        bad = [row for row in frame.index if _raises(frame.loc[[row]], score)]
    try:
        return score(frame.drop(index=bad)) if len(bad) < len(frame) else {}, bad
    except RefusedError:
        raise
    except Exception as error:
        raise UnclearError(f"{type(error).__name__}: {error}") from error


def _raises(frame: pd.DataFrame, score: Callable[[pd.DataFrame], Any]) -> bool:
    try:
        score(frame)
    except RefusedError:
        raise
    except Exception:
        return True
    return False


def answer(case: Case, folder: Path, model: Any, names: list[str]) -> tuple[list[list[Any]], set[str]]:
    """Rows to be published (partition, uid, k, outputs) in order, and the uids of those that belong in quarantine."""
    rows, quarantined = list[list[Any]](), set[str]()
    for partition in range(1, len(case.files) + 1):
        frame, keys = read(case, folder, partition)
        found, bad = split(
            frame, lambda some: transform(case, some) if case.work == "function" else predict(case, model, names, some)
        )
        quarantined |= {str(keys["uid"][row - _FIRST]) for row in bad}
        for row in frame.index:
            place = row - _FIRST
            rows += [[partition, keys["uid"][place], keys["k"][place], *values] for values in found.get(row, [])]
    return rows, quarantined


def answer_of_groups(case: Case, folder: Path) -> tuple[list[list[Any]], set[str]]:
    """The same of groups: partition, values of the group, outputs."""
    function, rows, quarantined = fuzz_finishes.GROUPED[case.finish], list[list[Any]](), set[str]()
    for partition in range(1, len(case.files) + 1):
        frame, keys = read(case, folder, partition)
        groups: dict[str, list[int]] = {}
        for place in range(len(frame)):
            name = json.dumps([plain(keys[column][place]) for column in case.group_by], default=str)
            groups.setdefault(name, []).append(place)
        for places in groups.values():
            try:
                made = function(frame.iloc[places].copy())
            except Exception:
                quarantined |= {str(keys["uid"][place]) for place in places}
                continue
            values = [keys[column][places[0]] for column in case.group_by]
            rows += [[partition, *values, *row] for row in made.itertuples(index=False, name=None)]
    return rows, quarantined


def plain(value: Any) -> Any:
    """A value by which rows can be compared: one for all that is missing, one for all that is zero."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    return value + 0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value
