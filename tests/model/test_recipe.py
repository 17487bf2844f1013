from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from airflow_batchscore.errors import RecipeError
from airflow_batchscore.model.recipe import Recipe

pytestmark = pytest.mark.unit

TABLE = pa.table({"a": pa.array([3.0, 1.0, None, 2.0])})


def test_a_recipe_survives_the_way_through_json() -> None:
    for recipe in (
        Recipe(),
        Recipe(features="m:f", target="label", keys=["id"], columns=["a"]),
        Recipe(features=lambda frame: frame, target="m:t", row_wise=False),
    ):
        again = Recipe.from_dict(recipe.to_dict())
        assert again.to_dict() == recipe.to_dict()
        assert repr(again) == repr(recipe)


def test_what_a_recipe_gets_is_part_of_its_identity() -> None:
    digests = {Recipe(**options).digest for options in ({}, {"columns": ["a"]}, {"row_wise": False})}
    assert len(digests) == 3
    assert Recipe().row_wise
    old = {name: value for name, value in Recipe().to_dict().items() if name != "row_wise"}
    assert Recipe.from_dict(old).row_wise


def test_rows_that_are_dropped_are_told_by_the_index() -> None:
    made = Recipe(features=lambda frame: frame.dropna()).apply(TABLE)
    assert made.rows.tolist() == [0, 1, 3]
    assert made.frame["a"].tolist() == [3, 1, 2]
    assert Recipe(features=lambda frame: frame["a"].dropna()).apply(TABLE).frame.columns.tolist() == ["a"]
    assert Recipe(features=lambda frame: frame.iloc[:0]).apply(TABLE).frame.empty


def test_without_a_function_the_columns_are_the_features() -> None:
    made = Recipe().apply(TABLE)
    assert made.rows.tolist() == made.frame.index.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": ["a", "b"]}, r"target=\['a', 'b'\]: name one column; for several.*returns a DataFrame"),
        ({"keys": ["id", "day", "id"]}, r"keys=.*\['id'\] stands there more than once"),
        ({"columns": ["a", "a"]}, r"columns=.*\['a'\] stands there more than once"),
        ({"keys": "id"}, r"keys='id': give a list, \['id'\]"),
    ],
)
def test_what_cannot_be_meant_is_said_when_the_recipe_is_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe(**options)
