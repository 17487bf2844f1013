"""Scoring a partition: equality, order, reuse, resume, force."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import favourite
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Small, Wta, good_rows, scores, small, write_csv
from tallied import Told

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.errors import InputError, ModelError, RecipeError, ScoringError
from airflow_batchscore.plan.models import OneModel
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring import job as module
from airflow_batchscore.scoring.job import ScoringJob
from airflow_batchscore.scoring.partition import score_partitions
from airflow_batchscore.scoring.tally import Count, Tally
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("block_rows", "processes"),
    [(1_000_000, False), (100, False), (7, False), pytest.param(100, True, marks=pytest.mark.slow)],
)
def test_scores_equal_predict_on_the_whole_in_the_order_of_the_rows(
    data: Small, block_rows: int, processes: bool
) -> None:
    ((manifest, reused),) = data.score(1, block_rows=block_rows, engine=LocalDask(workers=2, processes=processes))
    assert not reused
    pd.testing.assert_frame_equal(scores(manifest), data.plain(1))
    assert manifest.account == Account(500, 500, 0, 0)
    assert (len(manifest.blocks) > 1) is (block_rows < 500)


@pytest.mark.parametrize("year", [2000, 2015, 2016])
def test_wta_years_equal_plain_pandas(wta: Wta, tmp_path: Path, year: int) -> None:
    dataset = PartitionedDataset(wta.uri)
    trained = train(
        TrainingJob(dataset, 2015, favourite.RECIPE, "sklearn.linear_model:LogisticRegression", f"{tmp_path}/m")
    )
    job = ScoringJob(dataset, OneModel(trained.ref), f"{tmp_path}/s", block_rows=700)
    ((manifest, _),) = score_partitions(job, [{"year": str(year)}], LocalDask(workers=2))
    expected = favourite.plain_predictions(wta.folder, [year])
    pd.testing.assert_frame_equal(scores(manifest), expected)
    if wta.real and year != 2015:
        assert manifest.account == {2000: Account(2893, 2575, 318, 0), 2016: Account(2923, 2807, 116, 0)}[year]


def test_parquet_in_gives_the_scores_of_csv_in(data: Small, tmp_path: Path) -> None:
    raw = pd.read_csv(data.folder / "part_1.csv")
    pq.write_table(pa.Table.from_pandas(raw), tmp_path / "part_1.parquet", row_group_size=120)
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.parquet")
    ((manifest, _),) = data.score(1, dataset=dataset, block_rows=120)
    assert len(manifest.blocks) == 5
    pd.testing.assert_frame_equal(scores(manifest), data.plain(1))


def test_probabilities_have_a_column_a_class(data: Small) -> None:
    ((manifest, _),) = data.score(1, method="predict_proba")
    found = scores(manifest)
    assert list(found.columns) == ["id", "prediction_0", "prediction_1"]
    assert (found["prediction_0"] + found["prediction_1"]).round(12).eq(1).all()


def test_one_class_of_several_can_be_kept(data: Small) -> None:
    ((all_of_them, _),) = data.score(1, method="predict_proba")
    ((one, reused),) = data.score(1, method="predict_proba", outputs=("prediction_1",))
    assert not reused
    pd.testing.assert_frame_equal(scores(one), scores(all_of_them).drop(columns="prediction_0"))
    with pytest.raises(ModelError, match=r"outputs=\['prediction_9'\].*gives prediction_0, prediction_1"):
        data.score(1, method="predict_proba", outputs=("prediction_9",))


def test_what_is_committed_is_reused_and_its_parts_are_not_touched(data: Small) -> None:
    ((first, _),) = data.score(1, block_rows=100)
    before = {path: path.stat().st_mtime_ns for path in Path(first.folder.uri).rglob("*")}
    ((again, reused),) = data.score(1, block_rows=9)
    assert reused
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in Path(first.folder.uri).rglob("*")} == before


def test_a_reused_partition_starts_no_cluster(data: Small) -> None:
    data.score(1)

    class Refuses:
        def run(self, *_: Any) -> Any:
            raise AssertionError("nothing is to be scored")

    class NoWorkers(Engine):
        def session(self, slots: int = 1) -> Any:

            return nullcontext(Refuses())

        def describe(self) -> dict[str, Any]:
            return {}

    ((_, reused),) = data.score(1, engine=NoWorkers())
    assert reused


@pytest.mark.parametrize("what", ["bytes", "method", "keys", "read_options", "model"])
def test_other_inputs_are_scored_beside_what_is_there(data: Small, what: str) -> None:
    ((first, _),) = data.score(1)
    options: dict[str, Any] = {}
    if what == "bytes":
        data.add(1, good_rows(501, 1000))
    elif what == "model":
        job = TrainingJob(
            data.dataset, [1], data.recipe, "sklearn.linear_model:LogisticRegression", f"{data.folder}/m2"
        )
        options["model"] = train(job).ref
    else:
        options = {
            "method": {"method": "decision_function"},
            "keys": {"keys": ("id", "b")},
            "read_options": {"dataset": PartitionedDataset(data.dataset.uri, read_options={"null_values": ["-"]})},
        }[what]
    ((second, reused),) = data.score(1, **options)
    assert not reused
    assert second.folder != first.folder
    assert Path(first.uri).exists()


def test_a_retry_scores_only_the_blocks_whose_part_is_missing(data: Small) -> None:
    ((whole, _),) = data.score(1, block_rows=50)
    parts = sorted(Path(whole.folder.uri).glob("part-*.parquet"))
    bytes_before = {path.name: path.read_bytes() for path in parts}
    assert len(parts) >= 8
    Path(whole.uri).unlink()
    for path in parts[3:5]:
        path.unlink()
    kept = {path: path.stat().st_mtime_ns for path in parts[:3] + parts[5:]}
    ((again, reused),) = data.score(1, block_rows=123)  # the layout of the first attempt is kept
    assert not reused
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert {path.name: path.read_bytes() for path in parts} == bytes_before
    assert again.account == whole.account
    assert again.profiles() == whole.profiles()
    assert again.rows_this_attempt == sum(whole.blocks[n].account.rows_read for n in (3, 4))


def test_a_part_that_is_not_whole_is_scored_again(data: Small) -> None:
    ((whole, _),) = data.score(1, block_rows=100)
    part = Path(whole.folder.uri) / whole.blocks[1].part
    good = part.read_bytes()
    part.write_bytes(good[:-9])
    Path(whole.uri).unlink()
    data.score(1)
    assert part.read_bytes() == good


def test_force_scores_again_once_for_its_run(data: Small) -> None:
    ((first, _),) = data.score(1)
    ((forced, reused),) = data.score(1, token="run-1")
    assert not reused
    assert forced.blocks[0].part != first.blocks[0].part
    ((_, reused),) = data.score(1, token="run-1")
    assert reused
    ((_, reused),) = data.score(1, token="run-2")
    assert not reused
    pd.testing.assert_frame_equal(scores(forced), scores(first))


def test_progress_counts_blocks_and_rows(data: Small) -> None:
    seen: list[Count] = []
    tally = Told(1, seen.append)
    score_partitions(data.job(block_rows=100), [{"p": "1"}], LocalDask(workers=2), tally=tally)
    assert [count.blocks for count in seen] == list(range(1, seen[0].blocks_total + 1))
    assert (seen[-1].account.rows_read, seen[-1].rows_before) == (500, 0)
    assert (seen[0].current, seen[0].done) == ([0], [])
    assert (tally.count().current, tally.count().done) == ([], [[0, 0]])


def test_rows_that_were_scored_before_are_counted_apart(data: Small) -> None:
    data.score(1, block_rows=100)
    tally = Tally(1)
    score_partitions(data.job(block_rows=100), [{"p": "1"}], LocalDask(workers=2), tally=tally)
    count = tally.count()
    assert count.blocks == count.blocks_total > 1
    assert (count.account.rows_read, count.rows_before, count.done, count.slowest) == (500, 500, [[0, 0]], [])


def test_the_slowest_blocks_are_known_with_their_rows(data: Small) -> None:
    tally = Tally(1)
    score_partitions(data.job(block_rows=50), [{"p": "1"}], LocalDask(workers=2), tally=tally)
    slowest = tally.count().slowest
    assert len(slowest) == 5 < tally.count().blocks
    assert [block.seconds for block in slowest] == sorted((block.seconds for block in slowest), reverse=True)
    assert {block.partition for block in slowest} == {"p=1"}
    assert all(block.rows >= 0 and block.seconds > 0 for block in slowest)
    assert any(block.rows for block in slowest)  # the last block may have none


def test_input_that_changes_while_it_is_scored_fails(data: Small) -> None:
    path = data.folder / "part_1.csv"

    def touch(count: Count) -> None:
        os.utime(path, ns=(1, 1))

    with pytest.raises(InputError, match="p=1: .*part_1.csv changed while it was scored. Nothing was committed"):
        score_partitions(data.job(), [{"p": "1"}], LocalDask(workers=1), tally=Told(1, touch))
    assert not list(data.folder.glob("staged/**/manifests/*.json"))


def test_quoted_newlines_across_blocks_are_bad_rows_unless_asked_for(tmp_path: Path) -> None:
    data = small(tmp_path)
    text = "line\n" * 30
    rows = [(n, 1, 2, 0, f'"{text}"' if n % 10 == 0 else "") for n in range(50)]
    data.add(1, rows, header=("id", "a", "b", "label", "note"))
    options = {**data.dataset.read_options, "newlines_in_values": True}
    ((manifest, _),) = data.score(1, block_rows=8, dataset=PartitionedDataset(data.dataset.uri, read_options=options))
    assert scores(manifest)["id"].tolist() == list(range(50))
    assert manifest.account == Account(50, 50, 0, 0)
    ((manifest, _),) = data.score(1, block_rows=8)
    assert scores(manifest)["id"].tolist() == [n for n in range(50) if n % 10]
    assert manifest.account == Account(45 + 5 * 31, 45, 0, 5 * 31)


@pytest.mark.slow
def test_a_recipe_of_a_function_defined_here_travels_to_worker_processes(tmp_path: Path) -> None:
    offset = 1

    def features(frame: pd.DataFrame) -> pd.DataFrame:
        return (frame[["a"]] + offset).dropna()

    data = small(tmp_path, features=features, columns=["a"])
    data.add(1, [*good_rows(20), (20, "", 1, 0)])
    ((manifest, _),) = data.score(1, engine=LocalDask(workers=1, processes=True))
    assert manifest.account == Account(21, 20, 1, 0)


def test_a_recipe_that_changed_since_training_is_scored_again_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe_file = tmp_path / "recipe_that_changes.py"
    recipe_file.write_text("def features(frame):\n    return frame[['a', 'b']]\n")
    monkeypatch.syspath_prepend(tmp_path)
    data = small(tmp_path / "d", features="recipe_that_changes:features")
    data.add(1, good_rows(10))
    ((first, _),) = data.score(1)
    recipe_file.write_text("def features(frame):\n    return frame[['a', 'b']] * 1\n")
    assert data.score(1)[0][1], "what this process has loaded is what it runs, and what counts"
    importlib.reload(sys.modules["recipe_that_changes"])
    ((second, reused),) = data.score(1)
    assert not reused
    assert second.identity != first.identity
    assert "the code of recipe_that_changes:features has changed since model" in caplog.text


def test_a_model_without_the_method_is_refused_before_anything_is_read(data: Small) -> None:
    with pytest.raises(ModelError, match="has no 'transform'; it has predict"):
        data.score(1, method="transform")


def test_nan_predictions_are_an_error_unless_accepted(tmp_path: Path) -> None:
    data = small(tmp_path)
    job = TrainingJob(data.dataset, [0], data.recipe, "strange_models:NanRegressor", f"{data.folder}/nan")
    model = train(job).ref
    data.add(1, good_rows(9))
    with pytest.raises(ScoringError, match="p=1, block 0 .*9 of 9 predictions are NaN, .* for row 0.*allow_nan=True"):
        data.score(1, model=model)
    ((manifest, _),) = data.score(1, model=model, allow_nan=True)
    assert scores(manifest)["prediction"].isna().all()


def test_a_recipe_that_gives_other_features_than_the_model_knows_is_refused(tmp_path: Path) -> None:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[["a", "b"]] if frame["label_"].notna().all() else frame[["a"]]

    write_csv(tmp_path / "part_0.csv", [(*row, 1) for row in good_rows(50)], ("id", "a", "b", "label", "label_"))
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.csv")
    recipe = Recipe(features=features, target="label", keys=["id"], columns=["a", "b", "label_"])
    model = train(TrainingJob(dataset, 0, recipe, "sklearn.linear_model:LogisticRegression", f"{tmp_path}/m")).ref
    write_csv(tmp_path / "part_1.csv", [(*row, "") for row in good_rows(5)], ("id", "a", "b", "label", "label_"))
    job = ScoringJob(dataset, OneModel(model), f"{tmp_path}/s")
    with pytest.raises(RecipeError, match=r"p=1, block 0 .*the features lack \['b'\]"):
        score_partitions(job, [{"p": "1"}], LocalDask(workers=1))


def test_the_default_limit_is_what_the_docs_say() -> None:
    assert module.DEFAULT_LIMIT.value == 1000
    assert replace(module.DEFAULT_LIMIT, value=0.5).allows(1, 2)
