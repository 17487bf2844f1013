"""Locations and recipe shared by the two WTA pipelines, from the environment with local defaults."""

from __future__ import annotations

import os

from airflow_batchscore import PartitionedDataset, Recipe

#: Where models and scores go, and the folder or S3 prefix of ``wta_matches_<year>.csv``.
HOME = os.environ.get("WTA_HOME", os.path.expanduser("~/batchscore-examples/wta")).rstrip("/")
MATCHES = os.environ.get("WTA_MATCHES_DIR", f"{HOME}/matches").rstrip("/")

MODEL_URI = f"{HOME}/models/wta"
STAGING_URI = f"{HOME}/staging"

#: When `wta_batch_scoring` runs automatically; empty for never.
SCHEDULE = os.environ.get("WTA_SCHEDULE", "@monthly") or None

matches = PartitionedDataset(f"{MATCHES}/wta_matches_{{year}}.csv")
recipe = Recipe(
    features="wta_recipe:features",
    target="wta_recipe:first_won",
    keys=["tourney_id", "match_num", "winner_id", "loser_id"],
    columns=[f"{side}_{name}" for side in ("winner", "loser") for name in ("id", "rank", "rank_points", "age", "ht")],
)
