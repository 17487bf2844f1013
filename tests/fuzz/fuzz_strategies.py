"""Random cases, those that may end well as well as those that may not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import fuzz_finishes
import fuzz_models
import fuzz_steps
from fuzz_cases import BAD_LINES, CSV_KEYS, INDEX, NUMBERS, PARQUET_KEYS, Case
from hypothesis import strategies as st


def _usually(value: Any, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`value` in about two thirds of the examples."""
    return st.one_of(st.just(value), st.just(value), others)


@st.composite
def cases(draw: st.DrawFn, processes: bool = False) -> Case:
    """Cases that may end well as well as those that may not."""
    form = draw(st.sampled_from(["csv", "csv", "csv.gz", "parquet", "parquet"]))
    csv = form != "parquet"
    files = st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple)
    values: dict[str, Any] = {
        "seed": draw(st.integers(0, 9999)),
        "form": form,
        "files": draw(st.lists(files, min_size=1, max_size=2).map(tuple)),
        "nulls": draw(st.booleans()),
        "block_rows": draw(st.sampled_from([1, 2, 3, 5, 7, 10, 19, 40, 1000])),
        "limit": draw(_usually("1000", st.sampled_from(["0", "3", "0.5"]))),
        "workers": draw(st.integers(1, 3)),
        "processes": processes,
        "output": draw(st.sampled_from(["out.parquet", "out.parquet", "out.csv", "out"])),
        "again": draw(_usually("", st.sampled_from(["same", "force", "replaced"]))),
    }
    values |= draw(_csv_values()) if csv else draw(_parquet_values())
    values |= draw(_work_values())
    untrained = csv and values["work"] in ("function", "groups")  # its first rows decide the types
    if untrained and values["key"] in ("texts", "lines"):
        values["key"] = "dates"
    if untrained or values["key"] in ("int64", "int64 with nulls", "uint64"):  # too large for a feature: refused
        values["columns"] = True
    return Case(**values)


@st.composite
def _csv_values(draw: st.DrawFn) -> dict[str, Any]:
    newlines = draw(_usually(False, st.just(True)))
    key = draw(st.sampled_from([name for name in CSV_KEYS if newlines or name != "lines"]))
    bad = _usually((), st.lists(st.sampled_from(BAD_LINES), min_size=1, max_size=3).map(tuple))
    return {
        "key": key,
        "bad": draw(bad),
        "style": draw(st.sampled_from(["", "all", "text"])),
        "ending": draw(st.sampled_from(["\n", "\r\n"])),
        "last_ending": draw(st.booleans()),
        "mark": draw(_usually(False, st.just(True))),
        "delimiter": draw(_usually(",", st.just(";"))),
        "newlines": newlines,
        "whole_cells": draw(st.booleans()),
        "typed_key": key in ("over 2^53", "leading zeros") and draw(st.booleans()),
    }


@st.composite
def _parquet_values(draw: st.DrawFn) -> dict[str, Any]:
    numbers = st.sampled_from(sorted(NUMBERS))
    return {
        "key": draw(st.sampled_from(sorted(PARQUET_KEYS))),
        "numbers": (draw(_usually("float64", numbers)), draw(numbers)),
        "row_group": draw(st.sampled_from([1, 4, 9, 30, 100])),
        "index": draw(st.sampled_from(INDEX)),
    }


@st.composite
def _work_values(draw: st.DrawFn) -> dict[str, Any]:
    work = draw(_usually("model", st.sampled_from(["function", "groups", "no recipe"])))
    if work == "groups":
        return draw(_groups())
    if work == "no recipe":
        model = draw(st.sampled_from(["tree", "logistic", "regression", "choosy", "nan", "mutating"]))
        return {"work": work, "model": model, "method": draw(st.sampled_from(fuzz_models.MODELS[model][1]))}
    values = draw(_recipes(neighbours=work == "model"))
    return {"work": work, **values, **(draw(_models(values["finish"])) if work == "model" else {})}


@st.composite
def _groups(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "work": "groups",
        "finish": draw(_one_of(fuzz_finishes.GROUPED)),
        "columns": draw(st.booleans()),
        "output": draw(st.sampled_from(["out.parquet", "out"])),  # a CSV file does not say how to sort its rows
        "group_by": draw(st.sampled_from([("t",), ("y",), ("t", "f"), ("x",), ("k",)])),
    }


@st.composite
def _recipes(draw: st.DrawFn, neighbours: bool) -> dict[str, Any]:
    """Most are right; some lose the index; some look at neighbours, and most of these say so."""
    steps = draw(st.lists(_one_of(fuzz_steps.STEPS), max_size=3))
    finish = draw(_one_of(fuzz_finishes.FINISHES))
    row_wise = True
    kinds = ["right"] * 7 + ["neighbours"] * 3 * neighbours + ["batch"] * neighbours + ["lost"]
    kind = draw(st.sampled_from(kinds))
    if kind in ("neighbours", "batch"):
        row_wise = draw(_usually(False, st.just(True)))
    if kind == "neighbours":
        steps.append(draw(_one_of(fuzz_steps.NEIGHBOURS)))
    elif kind == "batch":
        finish = draw(_one_of(fuzz_finishes.FINISHES_OF_THE_BATCH))
    elif kind == "lost" and draw(st.booleans()):
        finish = draw(_one_of(fuzz_finishes.FINISHES_THAT_LOSE))
    elif kind == "lost":
        steps.append(draw(_one_of(fuzz_steps.STEPS_THAT_LOSE)))
    columns = draw(st.booleans())
    return {"steps": tuple(steps), "finish": finish, "columns": columns, "row_wise": row_wise}


@st.composite
def _models(draw: st.DrawFn, finish: str) -> dict[str, Any]:
    texts = ["imputed_text", "constant_text"]
    names = texts if finish == "text_as_it_is" else [name for name in fuzz_models.MODELS if name not in texts]
    model = draw(st.sampled_from(names))
    targets = [_one_of(fuzz_finishes.TARGETS)] * 5 + [_one_of(fuzz_finishes.TARGETS_THAT_LOSE)]
    target = draw(_usually("label", st.one_of(*targets)))
    if target == "label_amount" and model not in ("regression", "ridge", "choosy", "nan"):
        model = "regression"
    if target == "label_as_text" and model in ("regression", "ridge", "choosy", "nan"):
        model = "tree"
    if model == "objects":
        target = "label_as_text"
    method = draw(st.sampled_from(fuzz_models.MODELS[model][1]))
    allow_nan = model in ("objects", "nan") and draw(st.booleans())
    return {"model": model, "method": method, "target": target, "allow_nan": allow_nan}


def _one_of(names: Iterable[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(names))
