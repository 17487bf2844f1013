"""`Recipe`: how raw rows become model input, and which columns pass through to the scores."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.data.frames import to_frame
from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.model.user_code import Made, call

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Transform = Callable[[pd.DataFrame], pd.DataFrame]
    Label = Callable[[pd.DataFrame], pd.Series]


#: What a function is named by; any other text is the name of a column.
_PATH = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


class Recipe:
    """What a model is fed.

    Args:
        features: function (or ``"package.module:name"``) from a DataFrame of raw rows to a DataFrame of features.
            It keeps the index; a row that it drops counts as skipped. The frame is its own: it may be changed. It must
            look at each row alone, because a partition is scored in blocks; this is checked. None takes the columns
            of the model's signature as they are.
        target: function from the raw rows to the label (a Series), or to several labels (a DataFrame), with the index
            kept; or the name of a column. A name that looks like an import path (``"y:label"``) is taken for one: write
            ``lambda frame: frame["y:label"]``. Needed for training only, and gets every column. Rows that `features`
            dropped, and rows whose label is missing, are not trained on.
        keys: columns that go with each prediction into the scores.
        columns: raw columns that `features` gets; naming them saves reading the others. All but the target when None.
        row_wise: False for `features` that looks at a whole partition (ranks, sums over it). It then gets each
            partition in one frame, in training too: memory must hold the partition, nothing is scored in parallel
            within it, and a row that cannot be scored fails the partition.

    Raises:
        RecipeError: a column is named twice, or `target` is a list.

    A CSV column reaches the functions as float64 (every number, so that a missing value never changes a type
    between blocks), bool or text; key columns keep whole numbers as int64. Functions that would give something else
    for the types that pandas itself gives are refused in training.
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

    def __repr__(self) -> str:  # stands in a serialised DAG, so it must not change from parse to parse
        target = self.target.path if self.target else self.target_column
        features = self.features.path if self.features else None
        whole = "" if self.row_wise else ", row_wise=False"
        names = f"keys={list(self.keys)}, columns={self.columns}"
        return f"Recipe(features={features!r}, target={target!r}, {names}{whole})"

    @property
    def digest(self) -> str:
        """Identity of what makes the features: all code that the function reaches, the columns read, and row_wise."""
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
        """The same, for a worker: its functions are loaded only where their code is what it is here."""
        found = copy.copy(self)
        found.features = self.features.pinned() if self.features else None
        found.target = self.target.pinned() if self.target else None
        return found

    def to_dict(self) -> dict[str, Any]:
        return {
            "features": self.features.to_dict() if self.features else None,
            "target": self.target.to_dict() if self.target else self.target_column,
            "keys": list(self.keys),
            "columns": list(self.columns) if self.columns is not None else None,
            "row_wise": self.row_wise,
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Recipe:
        recipe = cls(keys=value["keys"], columns=value["columns"], row_wise=value.get("row_wise", True))
        recipe.features = FunctionRef.from_dict(value["features"]) if value["features"] else None
        target = value["target"]
        if isinstance(target, dict):
            recipe.target = FunctionRef.from_dict(target)
        else:
            recipe.target_column = target
        return recipe

    def inputs(self, there: Iterable[str]) -> list[str]:
        """Of the columns that are there, those that `features` gets."""
        if self.columns is not None:
            return list(self.columns)
        return [name for name in there if name != self.target_column]

    def apply(self, table: pa.Table) -> Made:
        """The features of the rows of `table`; a row that none comes from was skipped.

        Raises:
            RecipeError: the function broke its contract. Its own exceptions pass through.
        """
        import numpy as np

        if self.features is not None:
            return call(self.features, table)
        frame = to_frame(table)
        return Made(frame, np.arange(len(frame)))


def column_names(names: Sequence[str], what: str) -> tuple[str, ...]:
    """Names of columns as a person gives them. Raises RecipeError for a text, and for a name that comes twice."""
    if isinstance(names, str):
        raise RecipeError(f"{what}={names!r}: give a list, [{names!r}]")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise RecipeError(f"{what}={list(names)}: {twice} stands there more than once; name each column once")
    return tuple(names)
