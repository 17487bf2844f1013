"""`Recipe`: how raw rows become model input, and which columns pass through to the scores."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.functions import FunctionRef

if TYPE_CHECKING:
    import pandas as pd

    Transform = Callable[[pd.DataFrame], pd.DataFrame]
    Label = Callable[[pd.DataFrame], pd.Series]


class Recipe:
    """What a model is fed.

    Args:
        features: function (or ``"package.module:name"``) from a DataFrame of raw rows to a DataFrame of features.
            It keeps the index; a row that it drops counts as skipped. It must look at each row alone, because
            a partition is scored in blocks. None takes the columns of the model's signature as they are.
        target: function from the raw rows to the label, or the name of a column; needed for training only.
            Rows that `features` dropped, and rows whose label is missing, are not trained on.
        keys: columns that go with each prediction into the scores.
        columns: raw columns that `features` reads; naming them saves reading the others. All when None.

    A CSV column reaches the functions as float64 (every number, so that a missing value never changes a type
    between blocks), bool or text; key columns keep whole numbers as int64.
    """

    def __init__(
        self,
        features: str | Transform | None = None,
        target: str | Label | None = None,
        keys: Sequence[str] = (),
        columns: Sequence[str] | None = None,
    ) -> None:
        self.features = FunctionRef.of(features) if features is not None else None
        self.target_column: str | None = None
        self.target: FunctionRef | None = None
        if isinstance(target, str) and ":" not in target:
            self.target_column = target
        elif target is not None:
            self.target = FunctionRef.of(target)
        self.keys = tuple(keys)
        self.columns = tuple(columns) if columns is not None else None

    def __repr__(self) -> str:  # stands in a serialised DAG, so it must not change from parse to parse
        target = self.target.path if self.target else self.target_column
        features = self.features.path if self.features else None
        return f"Recipe(features={features!r}, target={target!r}, keys={list(self.keys)}, columns={self.columns})"

    @property
    def digest(self) -> str:
        """Identity of what makes the features: all code that the function reaches, and the columns read."""
        features = self.features.digest if self.features else None
        return hashlib.sha256(json.dumps([features, self.columns]).encode()).hexdigest()

    @property
    def training_digest(self) -> str:
        target = self.target.digest if self.target else self.target_column
        return hashlib.sha256(json.dumps([self.digest, target]).encode()).hexdigest()

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
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Recipe:
        recipe = cls(keys=value["keys"], columns=value["columns"])
        recipe.features = FunctionRef.from_dict(value["features"]) if value["features"] else None
        target = value["target"]
        if isinstance(target, dict):
            recipe.target = FunctionRef.from_dict(target)
        else:
            recipe.target_column = target
        return recipe

    def apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The features of `frame`, whose index is 0 to n-1; a row missing from the result was skipped.

        Raises:
            RecipeError: the function broke its contract. Its own exceptions pass through.
        """
        if self.features is None:
            return frame
        import numpy as np
        import pandas as pd

        made = self.features.load()(frame)
        if isinstance(made, pd.Series):
            made = made.to_frame()
        if not isinstance(made, pd.DataFrame):
            raise RecipeError(
                f"{self.features.path} returned {type(made).__name__}; a features function returns a DataFrame"
            )
        index = made.index
        in_order = len(index) <= len(frame) and pd.api.types.is_integer_dtype(index.dtype)
        if in_order and len(index):
            rows = index.to_numpy()
            in_order = bool(rows[0] >= 0 and rows[-1] < len(frame) and (np.diff(rows) > 0).all())
        if not in_order and len(index):
            raise RecipeError(
                f"{self.features.path} changed the index: it may drop rows, but must keep the index and the order of "
                "those it returns, so that every row is accounted for"
            )
        return made
