"""`Recipe`: how raw rows become model input, and which columns pass through to the scores."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from airflow_batchscore.data.frames import to_frame
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.user_code import Made, call

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Transform = Callable[[pd.DataFrame], pd.DataFrame]
    Label = Callable[[pd.DataFrame], pd.Series]


#: Pattern of a function's import path; any other string is a column name.
_PATH = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


class Recipe:
    """How a model's input is made.

    Args:
        features: function (or ``"package.module:name"``) from a DataFrame of raw rows to a DataFrame of features.
            It keeps the index; a row that it drops counts as skipped. The frame belongs to it and may be modified. It
            must treat each row independently, because a partition is scored in blocks; this is checked. None takes
            `columns` as they are; without those, the columns that an imported model was fitted on by name, else every
            numeric and Boolean column but target and keys.
        target: function from the raw rows to the label (a Series), or to several labels (a DataFrame), keeping the
            index; or a column name. A name that looks like an import path (``"y:label"``) is treated as one; instead
            write ``lambda frame: frame["y:label"]``. Only needed for training; it gets every column. Training skips
            rows that `features` dropped and rows without a label.
        keys: columns passed through with each prediction into the scores.
        columns: raw columns that `features` gets; naming them avoids reading the others. None for all but the target.
        row_wise: False for `features` that needs a whole partition (ranks, sums over it). It then gets each partition
            in one frame, in training too: memory must hold the partition, nothing within it is scored in parallel, and
            a row that cannot be scored fails the partition.

    Raises:
        RecipeError: a column is named twice, or `target` is a list.

    A CSV column reaches the functions as float64 (every number, so that a missing value never changes a type between
    blocks), bool or text; key columns keep integers as int64. Training refuses functions whose results differ for the
    types that pandas itself assigns.
    """

    def __init__(
        self,
        features: str | Transform | None = None,
        target: str | Label | None = None,
        keys: Sequence[str] = (),
        columns: Sequence[str] | None = None,
        *,
        row_wise: bool = True,
    ) -> None:
        self.features = FunctionRef.of(features) if features is not None else None
        self.target_column: str | None = None
        self.target: FunctionRef | None = None
        if isinstance(target, str) and not _PATH.fullmatch(target):
            self.target_column = target
        elif isinstance(target, (list, tuple)):
            raise RecipeError(
                f"target={target!r}: name one column; for several labels give a function that returns a DataFrame, "
                f"such as lambda frame: frame[{list(target)!r}]"
            )
        elif target is not None:
            self.target = FunctionRef.of(target)
        self.keys = column_names(keys, "keys")
        self.columns = column_names(columns, "columns") if columns is not None else None
        self.row_wise = row_wise

    def __repr__(self) -> str:  # part of a serialised DAG, so it must not change from parse to parse
        target = self.target.path if self.target else self.target_column
        features = self.features.path if self.features else None
        whole = "" if self.row_wise else ", row_wise=False"
        names = f"keys={list(self.keys)}, columns={self.columns}"
        return f"Recipe(features={features!r}, target={target!r}, {names}{whole})"

    @property
    def digest(self) -> str:
        """Identity of what makes the features: all code the function reaches, the columns read, and row_wise."""
        features = self.features.digest if self.features else None
        return hashlib.sha256(json.dumps([features, self.columns, self.row_wise]).encode()).hexdigest()

    @property
    def training_digest(self) -> str:
        target = self._target_digest() if self.target else self.target_column
        return hashlib.sha256(json.dumps([self.digest, target]).encode()).hexdigest()

    def _target_digest(self) -> str:
        assert self.target is not None, "asked for where there is one"
        try:
            return self.target.digest
        except RecipeError as error:
            path = self.target.path
            raise RecipeError(
                f"target={path!r} is taken for an import path: {error}. If it is a column, write "
                f"target=lambda frame: frame[{path!r}]"
            ) from error

    def pinned(self) -> Recipe:
        """The same recipe for a worker: its functions only load if their code there is the same as here."""
        recipe = copy.copy(self)
        recipe.features = self.features.pinned() if self.features else None
        recipe.target = self.target.pinned() if self.target else None
        return recipe

    def to_dict(self) -> JsonObject:
        return {
            "features": self.features.to_dict() if self.features else None,
            "target": self.target.to_dict() if self.target else self.target_column,
            "keys": list(self.keys),
            "columns": list(self.columns) if self.columns is not None else None,
            "row_wise": self.row_wise,
        }

    @classmethod
    def from_dict(cls, value: JsonObject) -> Recipe:
        recipe = cls(keys=value["keys"], columns=value["columns"], row_wise=value.get("row_wise", True))
        recipe.features = FunctionRef.from_dict(value["features"]) if value["features"] else None
        target = value["target"]
        if isinstance(target, dict):
            recipe.target = FunctionRef.from_dict(target)
        else:
            recipe.target_column = target
        return recipe

    def inputs(self, names: Iterable[str]) -> list[str]:
        """Those of the given columns that `features` gets."""
        if self.columns is not None:
            return list(self.columns)
        return [name for name in names if name != self.target_column]

    def apply(self, table: pa.Table) -> Made:
        """The features of the rows of `table`; a row without a result was skipped.

        Raises:
            RecipeError: the function broke its contract. Its own exceptions pass through.
        """
        import numpy as np

        if self.features is not None:
            return call(self.features, table)
        frame = to_frame(table)
        return Made(frame, np.arange(len(frame)))


def column_names(names: Sequence[str], what: str) -> tuple[str, ...]:
    """Column names from user input. Raises RecipeError for a plain string and for duplicates."""
    if isinstance(names, str):
        raise RecipeError(f"{what}={names!r}: give a list, [{names!r}]")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise RecipeError(f"{what}={list(names)}: {twice} stands there more than once; name each column once")
    return tuple(names)
