"""The columns a model receives: selected by name, in the model's order, labelled as when it was fitted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from airflow_batchscore.errors import RecipeError

if TYPE_CHECKING:
    import pandas as pd

#: LightGBM's names for the columns of an array.
_PLACE = re.compile(r"Column_\d+")
#: In the messages of libraries that refuse the type of a column.
_OF_TYPES = re.compile(
    r"\b(strings?|str|dtypes?|input types|convert|non-numeric|category|categories|categorical\w*)\b", re.IGNORECASE
)


class FeatureNames(TypedDict):
    """The fields of a `Signature` that name the features."""

    features: tuple[str, ...]
    whole_names: bool


def names_of(features: pd.DataFrame) -> FeatureNames:
    """What a signature records about the names of a model's features.

    Raises RecipeError if two have the same name, so that neither can be identified later.
    """
    names = tuple(str(label) for label in features.columns)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(f"the features have more than one column named {twice}; give each a name of its own")
    return {"features": names, "whole_names": all(_is_whole(label) for label in features.columns)}


def in_order(features: pd.DataFrame, names: Sequence[str], *, whole: bool = False) -> pd.DataFrame:
    """The columns called `names`, in that order, labelled with them as text, or as integers if `whole`.

    Raises RecipeError if one is missing or occurs twice.
    """
    places: dict[str, list[int]] = {}
    for place, label in enumerate(features.columns):
        places.setdefault(str(label), []).append(place)
    missing = [name for name in names if name not in places]
    if missing:
        raise RecipeError(f"the features lack {missing}, which the model was trained on; there are {list(places)}")
    twice = [name for name in names if len(places[name]) > 1]
    if twice:
        raise RecipeError(f"the features have more than one column named {twice}")
    inputs = features.iloc[:, [places[name][0] for name in names]]
    inputs.columns = [int(name) for name in names] if whole else list(names)
    return inputs


def as_fitted(estimator: object, features: pd.DataFrame) -> pd.DataFrame:
    """The features as a model fitted elsewhere expects them: by its own names if it has any.

    A model fitted on columns named by integers does not record that: 0, 1, 2 ... are its positions.

    Raises RecipeError if a column it was fitted on is missing.
    """
    names = fitted_on(estimator)
    if names:
        return in_order(features, names)
    places = range(features.shape[1])
    if {str(label) for label in features.columns} == {str(place) for place in places}:
        return in_order(features, [str(place) for place in places])
    return features


def fitted_on(estimator: object) -> tuple[str, ...]:
    """The names of the columns that a model was fitted on; none if it has only their positions."""
    given = getattr(estimator, "feature_names_in_", None)
    names = [] if given is None else [str(name) for name in given]
    return () if all(_PLACE.fullmatch(name) for name in names) else tuple(names)


def text_note(features: object, error: Exception) -> str:
    """Hint for when an estimator rejects features and some are strings, such as categories from a Parquet file."""
    import pandas as pd

    if not isinstance(features, pd.DataFrame) or not _OF_TYPES.search(str(error)):
        return ""
    names = [str(name) for name in features if pd.api.types.infer_dtype(features[name], skipna=True) == "string"]
    if not names:
        return ""
    return (
        f". The features {names[:5]} are text: categories that a Parquet file holds arrive so. For an estimator that "
        f"wants categories make them in features, with all that there are, in the order of training: "
        f"frame[{names[0]!r}] = pd.Categorical(frame[{names[0]!r}], categories=[...])"
    )


def _is_whole(label: object) -> bool:
    import numpy as np

    return isinstance(label, (int, np.integer)) and not isinstance(label, bool)
