"""A champion and its challenger: each has what it would have alone, and neither waits on the other's failure."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from packages import install
from paired import ENGINE, calls, challenger_of, of_challenger, pair_job, score_alone, score_pair, trained
from support import NUMBERED, Small, good_rows, scores, write_csv
from test_shared import READ

from airflow_batchscore import LocalDask, PartitionedDataset, Recipe
from airflow_batchscore.data.formats.registry import GROUP
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.pair import Scored, score_run
from airflow_batchscore.scoring.tally import Tally

pytestmark = pytest.mark.unit


def test_each_has_the_identity_and_the_scores_that_it_has_alone(data: Small, tmp_path: Path) -> None:
    challenger = challenger_of(data)
    ((champion, reused, (other, other_reused)),) = score_pair(data, challenger, 1, block_rows=100)  # type: ignore[misc]
    assert not reused
    assert not other_reused
    assert (champion.model, other.model) == (data.model, challenger)
    assert champion.account == other.account == Account(500, 500, 0, 0)
    assert champion.layout == other.layout
    assert len(champion.blocks) > 1
    pd.testing.assert_frame_equal(scores(champion), data.plain(1))
    for model, manifest in ((data.model, champion), (challenger, other)):
        ((alone, _, challenged),) = score_alone(data, model, 1, block_rows=100, output_uri=f"{tmp_path}/alone")
        assert challenged is None
        assert alone.identity == manifest.identity
        assert alone.account == manifest.account
        assert alone.profiles() == manifest.profiles()
        pd.testing.assert_frame_equal(scores(alone), scores(manifest))


def test_both_are_reused_and_one_that_was_scored_alone_is_too(data: Small) -> None:
    challenger = challenger_of(data)
    ((alone, *_),) = score_alone(data, data.model, 1, block_rows=100)
    (first,) = score_pair(data, challenger, 1, block_rows=7)
    assert (first.manifest.uri, first.reused) == (alone.uri, True)
    (own,) = of_challenger([first])
    assert own.layout == alone.layout, "so that their rows can be compared block by block"
    assert first.challenged == (own, False)
    (again,) = score_pair(data, challenger, 1)
    assert (again.reused, again.challenged) == (True, (own, True))
    ((promoted, reused, _),) = score_alone(data, challenger, 1)
    assert (promoted, reused) == (own, True)


def test_the_champion_takes_the_blocks_of_a_challenger_that_was_scored_alone(data: Small) -> None:
    challenger = challenger_of(data)
    ((own, *_),) = score_alone(data, challenger, 1, block_rows=100)
    (scored,) = score_pair(data, challenger, 1, block_rows=7)
    assert scored.challenged == (own, True)
    assert scored.manifest.layout == own.layout


def test_a_retry_scores_what_is_missing_of_each(data: Small) -> None:
    challenger = challenger_of(data)
    ((champion, _, (other, _)),) = score_pair(data, challenger, 1, block_rows=100)  # type: ignore[misc]
    kept = {path: path.stat().st_ino for path in data.folder.glob("staged/p=1/*/part-*.parquet")}
    gone = [Path(f"{champion.folder}/{champion.blocks[0].part}"), Path(f"{other.folder}/{other.blocks[1].part}")]
    for manifest in (champion, other):
        Path(manifest.uri).unlink()
    for path in gone:
        path.unlink()
    tally = Tally(1)
    (scored,) = score_run(pair_job(data, challenger, block_rows=100), [{"p": "1"}], ENGINE, tally=tally)
    assert [scored.manifest.rows_this_attempt, *(m.rows_this_attempt for m in of_challenger([scored]))] == [
        champion.blocks[0].account.rows_read,
        other.blocks[1].account.rows_read,
    ]
    now = {path: path.stat().st_ino for path in data.folder.glob("staged/p=1/*/part-*.parquet")}
    assert {path: kept[path] for path in kept if path not in gone} == {p: now[p] for p in now if p not in gone}
    count = tally.count()
    assert (count.blocks, count.account) == (count.blocks_total, champion.account)


def test_features_are_made_once_for_models_of_one_recipe(data: Small) -> None:
    recipe = Recipe(features="paired:counted", target="label", keys=["id"])
    champion = trained(data, "counting", recipe)
    challenger = challenger_of(data, recipe)
    score_alone(data, champion, 1, output_uri=f"{data.folder}/warm")  # from then on nothing is tried on a few rows
    calls.clear()
    (scored,) = score_pair(data, challenger, 1, model=champion, block_rows=1000)
    assert [rows for rows in calls if rows == 500] == [500]
    (own,) = of_challenger([scored])
    assert scored.manifest.account == own.account == Account(500, 429, 71, 0)
    assert scores(own)["id"].tolist() == scores(scored.manifest)["id"].tolist()


@pytest.mark.parametrize("columns", [["b"], ["a", "b", "c"]])
def test_models_of_different_columns_score_as_they_do_alone(data: Small, tmp_path: Path, columns: list[str]) -> None:
    rows = [(*row, row[0] % 5) for row in good_rows(300, 1000)]
    header = ("id", "a", "b", "label", "c")
    data.add(0, [(*row, row[0] % 5) for row in good_rows(200)], header=header)
    challenger = challenger_of(data, Recipe(target="label", keys=["id", "label"], columns=columns))
    rows[7] = (rows[7][0], "?", *rows[7][2:])  # bad for who reads `a`
    data.add(1, rows, header=header)
    (scored,) = score_pair(data, challenger, 1, block_rows=100)
    (own,) = of_challenger([scored])
    assert scored.manifest.account == Account(300, 299, 0, 1)
    assert own.account == (Account(300, 299, 0, 1) if "a" in columns else Account(300, 300, 0, 0))
    for manifest in (scored.manifest, own):
        ((alone, *_),) = score_alone(data, manifest.model, 1, block_rows=100, output_uri=f"{tmp_path}/alone")
        assert (alone.identity, alone.account) == (manifest.identity, manifest.account)
        pd.testing.assert_frame_equal(scores(alone), scores(manifest))


def test_a_recipe_over_whole_partitions_challenges_a_model_of_blocks(data: Small) -> None:
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], columns=["a", "b"], row_wise=False))
    (scored,) = score_pair(data, challenger, 1, block_rows=100)
    (own,) = of_challenger([scored])
    assert (len(own.blocks), own.account) == (1, scored.manifest.account)
    assert len(scored.manifest.blocks) > 1


@pytest.mark.parametrize("recipe", [{"columns": ["a", "c"]}, {"features": "paired_failing:fails"}])
def test_a_challenger_that_fails_does_not_keep_the_champion_from_its_scores(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, object]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "paired_failing.py").write_text(
        "def fails(frame):\n    return frame[['a', 'b']] if frame['id'].astype(int).max() < 1300 else 1 / 0\n"
    )
    header = ("id", "a", "b", "label", "c")
    data.add(0, [(*row, 1) for row in good_rows(200)], header=header)
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], **recipe))  # type: ignore[arg-type]
    (scored,) = score_pair(data, challenger, 1, block_rows=100, limit=_few())
    assert scored.manifest.account == Account(500, 500, 0, 0)
    assert isinstance(scored.challenged, str)
    assert "lacks the columns ['c']" in scored.challenged or "ZeroDivisionError" in scored.challenged


@pytest.mark.parametrize("is_champion_there", [False, True])
def test_a_challenger_that_fails_in_every_block_is_reported(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_champion_there: bool
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "paired_broken.py").write_text(
        "def fails(frame):\n    return frame[['a', 'b']] if frame['id'].astype(int).max() < 1000 else 1 / 0\n"
    )
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], features="paired_broken:fails"))
    if is_champion_there:
        score_alone(data, data.model, 1, block_rows=50)
    (scored,) = score_pair(data, challenger, 1, block_rows=50, limit=_few())
    assert (scored.reused, scored.manifest.account) == (is_champion_there, Account(500, 500, 0, 0))
    assert isinstance(scored.challenged, str)
    assert "ZeroDivisionError" in scored.challenged


@pytest.mark.parametrize("how", ["raise SystemExit(3)", "raise MemoryError", "raise OSError(5, 'gone')"])
@pytest.mark.parametrize("partition_by", [None, "id % 4"])
def test_a_challenger_whose_code_ends_the_process_or_breaks_is_reported(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, partition_by: str | None
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"paired_ends_{abs(hash((how, partition_by)))}"  # a module of its own, as modules are kept
    (tmp_path / f"{name}.py").write_text(
        f"def ends(frame):\n    if frame['id'].astype(int).max() >= 1000:\n        {how}\n"
        "    return frame[['a', 'b']]\n"
    )
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], features=f"{name}:ends"))
    write_csv(data.folder / "all.csv", good_rows(200, 1000))
    dataset = PartitionedDataset(f"{data.folder}/all.csv", partition_by=partition_by, read_options=NUMBERED)
    values = [{"id_mod_4": str(n)} for n in range(4)] if partition_by else [{}]
    scored = score_run(pair_job(data, challenger, dataset=dataset, block_rows=100, limit=_few()), values, ENGINE)
    assert sum(one.manifest.account.rows_scored for one in scored) == 200
    assert all(isinstance(one.challenged, str) for one in scored)


def test_a_champion_whose_code_ends_the_process_ends_it(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "paired_exits.py").write_text(
        "def ends(frame):\n    if frame['id'].astype(int).max() >= 1000:\n        raise SystemExit(3)\n"
        "    return frame[['a', 'b']]\n"
    )
    champion = trained(data, "champion", Recipe(target="label", keys=["id"], features="paired_exits:ends"))
    with pytest.raises(SystemExit):
        score_pair(data, challenger_of(data), 1, model=champion)


def test_the_champion_is_scored_alone_after_a_worker_died(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "paired_dies.py").write_text(
        "import os\n\ndef dies(frame):\n    if frame['id'].astype(int).max() >= 1000:\n        os._exit(9)\n"
        "    return frame[['a', 'b']]\n"
    )
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], features="paired_dies:dies"))
    tally = Tally(1)
    job = pair_job(data, challenger)
    (scored,) = score_run(job, [{"p": "1"}], LocalDask(workers=1, processes=True), tally=tally)
    assert scored.manifest.account == Account(500, 500, 0, 0)
    assert isinstance(scored.challenged, str)
    assert "worker died 3 times" in scored.challenged
    assert "part_1.csv" in scored.challenged
    count = tally.count()
    assert (count.blocks, count.done, count.account.rows_read) == (count.blocks_total, [[0, 0]], 500)


def test_a_challenger_whose_manifest_cannot_be_read_is_reported(data: Small) -> None:
    challenger = challenger_of(data)
    (file,) = Path(challenger.uri).glob("model.json")
    file.unlink()
    file.symlink_to(file)  # any other OSError than that it is missing
    (scored,) = score_pair(data, challenger, 1)
    assert scored.manifest.account.rows_scored == 500
    assert isinstance(scored.challenged, str)


def test_columns_come_in_the_order_of_each_model(data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "paired_first.py").write_text(
        "def first(frame):\n    return frame.iloc[:, [0]].set_axis(['x'], axis=1)\n"
    )

    def of(name: str, *columns: str) -> ModelRef:
        return trained(data, name, Recipe(target="label", keys=["id"], features="paired_first:first", columns=columns))

    champion, challenger = of("champion", "a", "b"), of("challenger", "b", "a")
    (pair,) = score_pair(data, challenger, 1, model=champion, method="predict_proba")
    for model, manifest in ((champion, pair.manifest), (challenger, *of_challenger([pair]))):
        ((alone, *_),) = score_alone(data, model, 1, method="predict_proba", output_uri=f"{tmp_path}/alone")
        assert alone.identity == manifest.identity
        pd.testing.assert_frame_equal(scores(alone), scores(manifest))


def _few() -> object:
    from airflow_batchscore.quality.quarantine import Limit

    return Limit(3)


def test_a_challenger_without_the_method_is_named_and_the_champion_scores(data: Small) -> None:
    challenger = challenger_of(data, estimator="sklearn.linear_model:LinearRegression")
    (scored,) = score_pair(data, challenger, 1, method="predict_proba")
    assert isinstance(scored.challenged, str)
    assert "has no 'predict_proba'" in scored.challenged


def test_a_champion_that_fails_fails_the_partition(data: Small) -> None:
    data.add(1, good_rows(20), header=("id", "z", "b", "label"))
    with pytest.raises(InputError, match=r"p=1: .*lacks the columns \['a'\]"):
        score_pair(data, challenger_of(data, Recipe(target="label", keys=["id"], columns=["b"])), 1)


def test_a_model_that_challenges_itself_scores_once(data: Small) -> None:
    (scored,) = score_pair(data, data.model, 1)
    assert scored == Scored(scored.manifest, False, (scored.manifest, False))
    assert len(list(Path(data.folder, "staged", "p=1").iterdir())) == 1
    (again,) = score_pair(data, data.model, 1)
    assert again == Scored(scored.manifest, True, (scored.manifest, True))


def test_forced_scores_are_forced_for_both_once_a_run(data: Small) -> None:
    challenger = challenger_of(data)
    first = score_pair(data, challenger, 1)
    run = {"token": "d/r"}
    forced, again = score_pair(data, challenger, 1, **run), score_pair(data, challenger, 1, **run)
    assert [m.uri[-11:] for m in (first[0].manifest, *of_challenger(first))] == ["000001.json"] * 2
    assert [m.uri[-11:] for m in (forced[0].manifest, *of_challenger(forced))] == ["000002.json"] * 2
    assert (again[0].reused, again[0].challenged[1]) == (True, True)  # type: ignore[index]


def test_partitions_of_one_file_are_read_once_for_both_models(
    data: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "site", "counted", GROUP, {".counted": "test_shared:Counted"})
    rows = good_rows(400, 1000)
    rows[7] = (1007, "?", 1, 0)  # type: ignore[call-overload]
    write_csv(data.folder / "all.counted", rows)
    dataset = PartitionedDataset(f"{data.folder}/all.counted", partition_by="id % 4", read_options=NUMBERED)
    challenger = challenger_of(data)
    values = [{"id_mod_4": str(n)} for n in range(4)]
    READ.clear()
    scored = score_run(pair_job(data, challenger, dataset=dataset, block_rows=100), values, ENGINE)
    assert len(READ) > 1
    assert sorted(READ.values()) == [1] * (len(READ) - 1) + [2], "a second look at the block of the bad row"
    account = [Account(100, 100, 0, 0)] * 3 + [Account(100, 99, 0, 1)]
    assert [one.manifest.account for one in scored] == [own.account for own in of_challenger(scored)] == account
    for manifest in (scored[3].manifest, *of_challenger(scored)[3:]):
        job = data.job(model=manifest.model, dataset=dataset, block_rows=100, output_uri=f"{tmp_path}/alone")
        ((alone, *_),) = score_run(job, values[3:], ENGINE)
        assert alone.identity == manifest.identity
        pd.testing.assert_frame_equal(scores(alone), scores(manifest))


@pytest.mark.parametrize(("columns", "times"), [(["a", "b"], 1), (["b"], 2)])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_file_is_read_once_for_all_partitions_and_each_way_of_reading_it(
    data: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    columns: list[str],
    times: int,
    is_there: bool,
) -> None:
    install(monkeypatch, tmp_path / "site", "counted", GROUP, {".counted": "test_shared:Counted"})
    write_csv(data.folder / "all.counted", good_rows(400, 1000))
    dataset = PartitionedDataset(f"{data.folder}/all.counted", partition_by="id % 4", read_options=NUMBERED)
    challenger = challenger_of(data, Recipe(target="label", keys=["id"], columns=columns))
    values, options = [{"id_mod_4": str(n)} for n in range(4)], {"dataset": dataset, "block_rows": 400}
    if is_there:
        score_run(data.job(**options), values, ENGINE)
    READ.clear()
    scored = score_run(pair_job(data, challenger, **options), values, ENGINE)
    assert sorted(READ.values()) == [1 if is_there else times]
    assert [own.account for own in of_challenger(scored)] == [Account(100, 100, 0, 0)] * 4


def test_several_partitions_are_scored_side_by_side(data: Small) -> None:
    data.add(2, good_rows(50, 5000))
    data.add(3, good_rows(70, 7000))
    challenger: ModelRef = challenger_of(data)
    scored = score_pair(data, challenger, 1, 2, 3, block_rows=40)
    assert [one.manifest.key for one in scored] == [m.key for m in of_challenger(scored)] == ["p=1", "p=2", "p=3"]
