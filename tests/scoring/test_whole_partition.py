"""A partition in one batch: its rows stay together, and keep the numbers of their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from applied import NUMBERS, apply
from support import Small, good_rows, scores, small

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.errors import RecipeError, ScoringError
from airflow_batchscore.model import artifact
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

THREADS = LocalDask(workers=1, processes=False)


def test_a_recipe_over_whole_partitions_scores_them_whole(tmp_path: Path) -> None:
    def ranks(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[["a", "b"]].rank(pct=True).dropna()

    for name in ("x_0", "x_1", "y_0", "y_1"):
        rows = [(n, *row[1:]) for n, row in enumerate(good_rows(150, len(name)))]
        Small(tmp_path, None, None).add(f"{name}", [(row[0] + 1000 * int(name[-1]), *row[1:]) for row in rows])
    with (tmp_path / "part_y_1.csv").open("a") as file:
        file.write("1500,broken,3,1\n1501,2.5,3,1\n")
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}_*.csv")
    recipe = Recipe(features=ranks, target="label", keys=["id"], columns=["a", "b"], row_wise=False)
    trained = train(TrainingJob(dataset, ["x"], recipe, "sklearn.linear_model:LogisticRegression", f"{tmp_path}/whole"))
    assert not artifact.read_manifest(trained.ref).recipe.row_wise
    data = Small(tmp_path, trained.ref, recipe)
    found = []
    for rows in (40, 10_000):
        options = {"dataset": dataset, "method": "predict_proba", "output_uri": f"{tmp_path}/staged{rows}"}
        ((manifest, _),) = data.score("y", block_rows=rows, engine=THREADS, **options)
        assert manifest.account == Account(302, 301, 0, 1)
        found.append(scores(manifest))
        (quarantine,) = (f"{manifest.folder}/{block.quarantine}" for block in manifest.blocks)
        assert pd.read_parquet(quarantine)["row"].tolist() == [300]
    raw = pd.concat([pd.read_csv(tmp_path / f"part_y_{n}.csv") for n in (0, 1)], ignore_index=True)
    raw = raw[raw["a"] != "broken"].astype(float)
    expected = artifact.load(trained.ref).estimator.predict_proba(ranks(raw))[:, 1]
    for each in found:
        assert each["id"].astype(float).tolist() == raw["id"].tolist()
        np.testing.assert_allclose(each["prediction_1"], expected)


def test_a_row_that_raises_fails_a_partition_that_is_scored_whole(tmp_path: Path) -> None:
    recipe = Recipe(features=lambda frame: frame[["a", "b"]], target="label", keys=["id"], row_wise=False)
    data = small(tmp_path)
    ref = train(TrainingJob(data.dataset, [0], recipe, "strange_models:Picky", f"{tmp_path}/picky")).ref
    data.add(1, [(n, 13 if n == 4 else 1, 2, 0) for n in range(20)])
    with pytest.raises(ScoringError, match=r"p=1, the whole partition.*thirteen.*none can be set apart"):
        data.score(1, model=ref, engine=THREADS)


def test_a_function_over_whole_partitions_gets_all_rows_at_once(tmp_path: Path) -> None:
    table = pa.table({"id": range(200), "x": [float(n * 7 % 50) for n in range(200)]})
    pq.write_table(table, tmp_path / "part_1.parquet", row_group_size=30)
    ranked = apply(tmp_path, lambda rows: rows[["x"]].rank(), suffix="parquet", row_wise=False, block_rows=30)
    assert scores(ranked)["x"].tolist() == table.to_pandas()["x"].rank().tolist()
    with pytest.raises(RecipeError, match="does not look at each row alone"):
        apply(tmp_path, lambda rows: rows[["x"]].rank(), suffix="parquet", block_rows=30)


@pytest.mark.parametrize("whole", [{"group_by": ("site",)}, {"row_wise": False}], ids=str)
def test_a_partition_in_one_batch_keeps_the_rows_numbers_and_counts_short_rows(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    def picky(rows: pd.DataFrame) -> pd.DataFrame:
        if whole.get("group_by") and (rows["site"] == 2).any():
            raise ValueError("two is not a site that I like")
        return rows[["id"]].rename(columns={"id": "made"})

    (tmp_path / "part_1.csv").write_text("id,site,value\n0,1,1\n1,1,x\n2,2\n3,2,1\n")
    options: dict[str, Any] = {"keys": None, "output_types": {"made": "int64"}, **whole}
    read_options = {**NUMBERS, "column_types": {**NUMBERS["column_types"], "value": "float64"}, "pad_short_rows": True}
    manifest = apply(tmp_path, picky, read_options=read_options, **options)
    (block,) = manifest.blocks
    assert block.padded == 1
    bad = pd.read_parquet(f"{manifest.folder}/{block.quarantine}")
    assert bad["row"].tolist() == ([1, 2, 3] if "group_by" in whole else [1])
