from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.recipe import Recipe

pytestmark = pytest.mark.unit

FRAME = pd.DataFrame({"a": [3.0, 1.0, None, 2.0]})


def test_a_recipe_survives_the_way_through_json() -> None:
    for recipe in (
        Recipe(),
        Recipe(features="m:f", target="label", keys=["id"], columns=["a"]),
        Recipe(features=lambda frame: frame, target="m:t"),
    ):
        again = Recipe.from_dict(recipe.to_dict())
        assert again.to_dict() == recipe.to_dict()
        assert repr(again) == repr(recipe)


def test_rows_that_are_dropped_are_missing_from_the_index() -> None:
    made = Recipe(features=lambda frame: frame.dropna()).apply(FRAME)
    assert made.index.tolist() == [0, 1, 3]
    assert Recipe(features=lambda frame: frame["a"].dropna()).apply(FRAME).columns.tolist() == ["a"]
    assert Recipe(features=lambda frame: frame.iloc[:0]).apply(FRAME).empty


@pytest.mark.parametrize(
    "features",
    [
        lambda frame: frame.sort_values("a"),
        lambda frame: frame.dropna().reset_index(drop=True).set_index("a"),
        lambda frame: pd.concat([frame, frame]),
        lambda frame: frame.set_index(frame.index + 1),
    ],
)
def test_an_index_that_would_lose_rows_is_refused(features: Callable[[Any], Any]) -> None:
    with pytest.raises(RecipeError, match="changed the index"):
        Recipe(features=features).apply(FRAME)


def test_a_result_that_is_no_frame_is_refused() -> None:
    with pytest.raises(RecipeError, match="returned list"):
        Recipe(features=lambda frame: [1]).apply(FRAME)
