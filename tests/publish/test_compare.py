"""A challenger against the champion, from their parts on storage: the same figures as pandas on all rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from paired import challenger_of, of_challenger, score_alone, score_pair, trained
from support import Small, good_rows, scores, small

from airflow_batchscore import Recipe
from airflow_batchscore.publish.compare import _column, compare
from airflow_batchscore.publish.comparison import Comparison
from airflow_batchscore.publish.same_rows import SideBySide

pytestmark = pytest.mark.unit

BOTH = {"method": ["predict", "predict_proba"]}


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(500, 1000))
    made.add(2, [(n, 0.1, 6, 0) for n in range(5000, 5030)])
    return made


def _compared(scored: list[Any], challenger: Any, **failed: str) -> Comparison:
    manifests = {manifest.key: manifest for manifest in of_challenger(scored)}
    return compare(scored[0].manifest.model, challenger, [one.manifest for one in scored], manifests, failed)


def test_figures_are_those_of_pandas_on_all_rows(data: Small) -> None:
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], columns=["a"]), LINE)
    scored = score_pair(data, challenger, 1, 2, block_rows=90, **BOTH)
    found = _compared(scored, challenger)
    ours, theirs = (
        pd.concat([scores(manifest) for manifest in manifests])
        for manifests in ([one.manifest for one in scored], of_challenger(scored))
    )
    assert ours["id"].tolist() == theirs["id"].tolist()
    assert found.total.compared == len(ours) == 530
    assert found.problems == found.left_out == {}
    agreed = (ours["predict"] == theirs["predict"]).to_numpy()
    classes = found.total.columns["predict"]
    assert classes.agreements
    assert 0 < classes.agreements.share == agreed.mean() < 1
    apart = (theirs["predict_proba_1"] - ours["predict_proba_1"]).to_numpy()
    numbers = found.total.columns["predict_proba_1"]
    assert numbers.differences
    assert numbers.agreements is None
    assert numbers.differences.mean == pytest.approx(apart.mean())
    assert numbers.differences.size_quantile(0.95) == pytest.approx(
        np.quantile(np.abs(apart), 0.95, method="lower"), rel=0.011
    )
    worst = numbers.rows
    assert [row.apart for row in worst] == pytest.approx(sorted(np.abs(apart), reverse=True)[:10])
    first = worst[0]
    (place,) = np.flatnonzero(ours["id"].astype(str) == first.keys["id"])
    assert (first.champion, first.challenger) == tuple(str(x["predict_proba_1"].iloc[place]) for x in (ours, theirs))
    assert first.row == (place if first.partition == "p=1" else place - 500)
    shown = found.to_dict()
    shares = [
        (~agreed[:500]).mean() if each["partition"] == "p=1" else (~agreed[500:]).mean() for each in shown["partitions"]
    ]
    assert shares == sorted(shares, reverse=True), "those that disagree most come first"


LINE = "sklearn.linear_model:LogisticRegression"


def test_rows_that_one_skips_count_as_disagreement_and_the_others_are_matched(data: Small) -> None:
    challenger = challenger_of(data, Recipe(features="paired:counted", target="label", keys=["id"]), LINE)
    scored = score_pair(data, challenger, 1, **BOTH)
    found = _compared(scored, challenger).total
    assert (found.compared, found.champion_alone, found.challenger_alone, found.unmatched) == (429, 71, 0, 0)
    agreements, differences = found.columns["predict"].agreements, found.columns["predict_proba_0"].differences
    assert agreements
    assert differences
    assert (agreements.rows, agreements.alone) == (500, 71)
    assert (differences.rows, differences.unbounded) == (500, 71)
    (own,) = of_challenger(scored)
    both = scores(scored[0].manifest).merge(scores(own), on="id", suffixes=("", "_challenger"))
    assert agreements.agreed == (both["predict"] == both["predict_challenger"]).sum()


def test_without_keys_rows_that_one_skips_make_a_partition_a_problem(data: Small) -> None:
    challenger = challenger_of(data, Recipe(features="paired:counted", target="label"), LINE)
    found = _compared(score_pair(data, challenger, 1, keys=()), challenger)
    assert found.total.unmatched == 500
    assert "500 rows could not be matched" in found.problems["p=1"]


def test_models_that_skip_the_same_rows_are_compared_without_keys(data: Small) -> None:
    recipe = Recipe(features="paired:counted", target="label")
    champion, challenger = trained(data, "skipping", recipe, LINE), challenger_of(data, recipe)
    scored = score_pair(data, challenger, 1, model=champion, keys=(), block_rows=90)
    found = _compared(scored, challenger)
    assert (found.total.compared, found.problems) == (429, {})
    ours, theirs = scores(scored[0].manifest)["prediction"], scores(of_challenger(scored)[0])["prediction"]
    agreements = found.total.columns["prediction"].agreements
    assert agreements
    assert agreements.agreed == (ours == theirs).sum()


def test_scores_of_an_earlier_run_are_compared_block_by_block_or_together(data: Small) -> None:
    challenger = challenger_of(data)
    score_alone(data, data.model, 1, block_rows=90)
    score_alone(data, challenger, 1, block_rows=170)  # cut differently, on its own
    (scored,) = score_pair(data, challenger, 1)
    assert scored.reused
    found = _compared([scored], challenger)
    assert (found.total.compared, found.problems) == (500, {})


def test_a_partition_that_the_challenger_failed_is_a_problem_and_the_others_are_compared(data: Small) -> None:
    challenger = challenger_of(data)
    scored = [*score_pair(data, challenger, 1), *score_alone(data, data.model, 2)]
    found = _compared(scored, challenger, **{"p=2": "it broke"})
    assert found.problems == {"p=2": "it broke"}
    assert found.total.compared == 500
    assert found.to_dict()["partitions_compared"] == 1


def test_a_part_that_is_gone_is_a_problem_of_its_partition(data: Small) -> None:
    challenger = challenger_of(data)
    scored = score_pair(data, challenger, 1, 2)
    own = of_challenger(scored)[1]
    Path(f"{own.folder}/{own.blocks[0].part}").unlink()
    found = _compared(scored, challenger)
    assert list(found.problems) == ["p=2"]
    assert "is gone" in found.problems["p=2"]


@pytest.mark.parametrize(
    ("champion", "challenger", "agreed"),
    [(("int8", [1, -1, 2]), ("int64", [257, 255, 2]), 1), (("uint64", [2**63, 1]), ("int64", [-(2**63), 1]), 1)],
)
def test_whole_numbers_of_other_types_are_compared_by_their_values(
    data: Small, champion: tuple[str, list[int]], challenger: tuple[str, list[int]], agreed: int
) -> None:
    ours, theirs = (pa.table({"y": pa.array(values, kind)}) for kind, values in (champion, challenger))
    found = _column("p=1", SideBySide((), ours, theirs, 0), "y", 0, is_number=True)
    assert found.agreements
    assert (found.agreements.agreed, found.agreements.rows) == (agreed, len(ours))


def test_outputs_that_only_one_has_are_left_out_by_name(data: Small) -> None:
    rows = [(n, (n % 17) / 4, n % 7, "xyz"[n % 3]) for n in range(200)]
    data.add(0, rows)
    words = trained(data, "words", Recipe(target="label", keys=["id"], columns=["a", "b"]), LINE)
    found = _compared(score_pair(data, words, 1, **BOTH), words)
    assert found.left_out == {
        "predict": "the champion gives int64, the challenger string",
        "predict_proba_0": "the champion gives it, the challenger does not",
        "predict_proba_1": "the champion gives it, the challenger does not",
        **{f"predict_proba_{name}": "the challenger gives it, the champion does not" for name in "xyz"},
    }
    assert found.problems == {"p=1": "the two have no output column that can be compared"}


def test_a_model_agrees_with_itself(data: Small) -> None:
    found = _compared(score_pair(data, data.model, 1, **BOTH), data.model)
    classes, numbers = found.total.columns["predict"], found.total.columns["predict_proba_0"]
    assert classes.agreements
    assert classes.agreements.share == 1
    assert numbers.differences
    assert numbers.differences.most == 0
    assert not numbers.rows
