"""How often two models give the same class: exact shares, and a confusion of bounded size."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_batchscore.quality.agreements import MISSING, MOST_CLASSES, OTHER, Agreements

pytestmark = pytest.mark.unit


def _of(champion: list[object], challenger: list[object], alone: int = 0) -> Agreements:
    return Agreements.of(pa.chunked_array([champion]), pa.chunked_array([challenger]), alone)


def test_counts_are_those_of_pandas_however_rows_are_cut() -> None:
    chance = np.random.default_rng(0)
    champion = pd.Series(chance.choice(["yes", "no", "maybe"], 1000))
    challenger = champion.where(chance.random(1000) < 0.9, "no")
    cuts = [slice(0, 300), slice(300, 301), slice(301, None)]
    blocks = [_of(list(champion[cut]), list(challenger[cut])) for cut in cuts]
    found = reduce(lambda one, other: one + other, blocks, Agreements())
    assert found.share == (champion == challenger).mean()
    classes, rows = found.confusion()
    expected = pd.crosstab(champion, challenger).reindex(index=classes, columns=classes, fill_value=0)
    assert rows == expected.to_numpy().tolist()


def test_a_row_of_one_model_alone_disagrees_and_missing_classes_are_alike() -> None:
    found = _of([True, None, None, False], [True, None, False, False], alone=4)
    assert (found.rows, found.alone, found.agreed, found.share) == (8, 4, 3, 3 / 8)
    assert found.confusion() == (["False", "True", MISSING], [[1, 0, 0], [0, 1, 0], [1, 0, 1]])
    assert Agreements().share is None


def test_of_many_classes_the_rare_ones_are_counted_together_and_do_not_count_as_agreement() -> None:
    rows = [str(n) for n in range(500) for _ in range(2 + (n < 19) * 10)]
    found = _of(rows, rows) + _of(["x", "y"], ["y", "x"])
    assert found.agreed == len(rows)
    classes, counts = found.confusion()
    assert len(classes) == MOST_CLASSES + 1
    assert classes[-1] == OTHER
    assert sum(map(sum, counts)) == found.rows
    assert len({name for pair in found.pairs for name in pair}) <= 201


def test_values_that_are_no_classes_are_counted_quickly_and_none_is_lost() -> None:
    values = list(range(30_000))
    found = _of(values, [*values[:20_000], *values[:10_000]])
    assert (found.rows, found.agreed) == (30_000, 20_000)
    assert sum(found.pairs.values()) == 30_000
    assert sum(map(sum, found.confusion()[1])) == 30_000
