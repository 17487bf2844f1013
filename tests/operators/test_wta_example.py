"""The tennis example predicts what its features do not say."""

from __future__ import annotations

import pandas as pd
import pytest
import wta_recipe
from sklearn.metrics import accuracy_score
from support import Wta

pytestmark = pytest.mark.unit


def _matches(wta: Wta, year: int) -> pd.DataFrame:
    return pd.read_csv(wta.folder / f"wta_matches_{year}.csv")


def test_the_features_of_a_match_do_not_depend_on_who_won_it(wta: Wta) -> None:
    matches = _matches(wta, 2015)
    names = {"winner": "loser", "loser": "winner"}
    swapped = matches.rename(
        columns=lambda name: "_".join([names.get(name.split("_")[0], name.split("_")[0]), *name.split("_")[1:]])
    )
    pd.testing.assert_frame_equal(wta_recipe.features(swapped), wta_recipe.features(matches))
    assert (wta_recipe.first_won(swapped) != wta_recipe.first_won(matches)).all()


def test_an_unknown_height_is_no_lead_and_a_player_without_points_is_skipped(wta: Wta) -> None:
    matches = _matches(wta, 2015)
    known = matches.dropna(subset=["winner_rank_points", "loser_rank_points"]).head(2)
    short = known.assign(winner_ht=[None, 180.0], loser_ht=[170.0, 170.0])
    assert wta_recipe.features(short)["ht_lead"].abs().tolist() == [0, 10]
    assert wta_recipe.features(known.assign(loser_rank_points=[None, 1])).index.tolist() == [known.index[1]]


def test_the_model_is_right_more_often_than_a_guess_and_wrong_often_enough_to_be_believed(wta: Wta) -> None:
    trained, later = _matches(wta, 2015), _matches(wta, 2016)
    features, asked = wta_recipe.features(trained), wta_recipe.features(later)
    model = wta_recipe.classifier().fit(features, wta_recipe.first_won(trained).loc[features.index])
    right = accuracy_score(wta_recipe.first_won(later).loc[asked.index], model.predict(asked))
    assert 0.6 < right < 0.75
