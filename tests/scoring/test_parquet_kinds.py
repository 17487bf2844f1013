"""Parquet as others write it: each kind of column has a defined result."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import Small, scores, small

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.job import FunctionJob, ScoringJob
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit


def _score(data: Small, *tables: pa.Table, **options: Any) -> Any:
    """The manifest of a partition of one file or more."""
    folder = data.folder / "p=1"
    folder.mkdir()
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number}.parquet")
    dataset = PartitionedDataset(f"{data.folder}/p={{p}}/")
    ((manifest, _),) = data.score(1, dataset=dataset, **options)
    return manifest


def _table(rows: int = 20, **columns: Any) -> pa.Table:
    plain = {"id": np.arange(rows), "a": np.arange(rows) % 5 / 1.0, "b": np.arange(rows) % 3}
    return pa.table({**plain, **columns})


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("dictionary", pa.array([f"t{n % 4}" for n in range(20)]).dictionary_encode()),
        ("timestamp", pa.array([datetime(2026, 1, 1 + n, tzinfo=UTC) for n in range(20)])),
        ("nested", pa.array([{"x": n, "y": [n, n]} for n in range(20)])),
        ("list", pa.array([[n] * (n % 3) for n in range(20)])),
        ("decimal", pa.array(range(20)).cast(pa.decimal128(22, 2))),
        ("nullable", pa.array([None if n % 2 else n for n in range(20)])),
        ("large text", pa.array([f"t{n}" for n in range(20)], pa.large_string())),
    ],
)
def test_a_key_column_of_any_kind_passes_through(tmp_path: Path, name: str, column: pa.Array) -> None:
    data = small(tmp_path)
    manifest = _score(data, _table(key=column), keys=("id", "key"), block_rows=5)
    assert manifest.account == Account(20, 20, 0, 0)
    parts = [pq.read_table(f"{manifest.folder}/{block.part}", partitioning=None) for block in manifest.blocks]
    assert pa.concat_tables(parts)["key"].to_pylist() == column.to_pylist()


@pytest.mark.parametrize("features", [None, "tests"], ids=["columns", "function"])
def test_keys_are_exact_in_what_is_published(tmp_path: Path, features: str | None) -> None:
    """Also where the recipe reads every column, the keys among them."""
    from airflow_batchscore.publish.combine import combine

    table = _table(
        wide=pa.array([2**64 - 1 - n for n in range(20)], pa.uint64()),
        narrow=pa.array(np.linspace(0, 1, 20), pa.float32()),
        day=pa.array([date(9999, 12, 31)] * 20),
        at=pa.array([datetime(9999, 12, 31)] * 20, pa.timestamp("us")),
    )
    keys = ("wide", "narrow", "day", "at")
    (tmp_path / "train=0").mkdir()
    pq.write_table(
        table.append_column("label", pa.array([n % 2 for n in range(20)])), tmp_path / "train=0" / "0.parquet"
    )
    from airflow_batchscore import Recipe
    from airflow_batchscore.training.train import TrainingJob, train

    recipe = Recipe(
        features=(lambda frame: frame[["a", "b"]]) if features else None,
        target="label",
        keys=keys,
        columns=None if features else ["a", "b"],
    )
    dataset = PartitionedDataset(f"{tmp_path}/train={{p}}/")
    job = TrainingJob(dataset, [0], recipe, "sklearn.tree:DecisionTreeClassifier", f"{tmp_path}/model")
    manifest = _score(Small(tmp_path, train(job).ref, recipe), table)
    assert manifest.account == Account(20, 20, 0, 0)
    combine([manifest], Location(f"{tmp_path}/out.parquet"))
    published = pq.read_table(tmp_path / "out.parquet").select(keys)
    assert published.schema.types == table.select(keys).schema.types
    assert published.equals(table.select(keys))


def test_missing_whole_numbers_are_quarantined_where_the_model_takes_none(tmp_path: Path) -> None:
    manifest = _score(small(tmp_path), _table(b=pa.array([None if n in (3, 7) else 1 for n in range(20)])))
    assert manifest.account == Account(20, 18, 0, 2)


def test_a_timestamp_reaches_the_features_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "train=1"
    folder.mkdir()
    days = pa.array([datetime(2026, 1, 1 + n % 28) for n in range(60)], pa.timestamp("us"))
    table = pa.table({"id": range(60), "day": days, "label": [int(n % 28 > 14) for n in range(60)]})
    pq.write_table(table, folder / "0.parquet")
    from airflow_batchscore import Recipe
    from airflow_batchscore.training.train import TrainingJob, train

    recipe = Recipe(features=lambda frame: frame[["day"]].assign(day=frame["day"].dt.day), target="label", keys=["id"])
    dataset = PartitionedDataset(f"{tmp_path}/train={{p}}/")
    estimator = "sklearn.tree:DecisionTreeClassifier"
    data = Small(tmp_path, train(TrainingJob(dataset, [1], recipe, estimator, f"{tmp_path}/model")).ref, recipe)
    ((manifest, _),) = data.score(1, dataset=dataset)
    assert scores(manifest)["prediction"].tolist() == table["label"].to_pylist()


def test_a_date_reaches_the_features_as_pandas_gives_it(tmp_path: Path) -> None:
    """And not as text."""
    from airflow_batchscore import Recipe
    from airflow_batchscore.training.train import TrainingJob, train

    days = [date(2026, 1, 1 + n % 28) for n in range(60)]
    table = pa.table({"id": range(60), "day": days, "label": [int(n % 28 > 14) for n in range(60)]})
    (tmp_path / "p=1").mkdir()
    pq.write_table(table, tmp_path / "p=1" / "0.parquet")
    assert pd.read_parquet(tmp_path / "p=1" / "0.parquet")["day"].tolist() == days
    recipe = Recipe(
        features=lambda frame: frame["day"].map(lambda day: day.day).to_frame(), target="label", keys=["id", "day"]
    )
    dataset = PartitionedDataset(f"{tmp_path}/p={{p}}/")
    job = TrainingJob(dataset, [1], recipe, "sklearn.tree:DecisionTreeClassifier", f"{tmp_path}/model")
    data = Small(tmp_path, train(job).ref, recipe)
    ((manifest, _),) = data.score(1, dataset=dataset)
    assert scores(manifest)["prediction"].tolist() == table["label"].to_pylist()
    assert scores(manifest)["day"].tolist() == days


def test_text_that_is_not_utf8_costs_its_row_and_says_so(tmp_path: Path) -> None:
    texts = [b"good"] * 20
    texts[7] = b"caf\xe9"
    name = pa.Array.from_buffers(pa.string(), 20, pa.array(texts, pa.binary()).buffers())
    data = small(tmp_path)
    for keys in (("id", "name"), ("id",)):
        job = FunctionJob(FunctionRef.of(lambda rows: rows[["name"]].assign(n=rows["name"].str.len())), (), None)
        folder = tmp_path / "-".join(keys)
        folder.mkdir()
        inner = Small(folder, data.model, data.recipe)
        options: dict[str, Any] = {} if "name" in keys else {"scored_with": job}
        manifest = _score(inner, _table(name=name), keys=keys, **options)
        assert manifest.account == Account(20, 19, 0, 1)
        (file,) = Path(manifest.folder.uri).glob("quarantine/*.parquet")
        bad = pq.read_table(file, partitioning=None).to_pylist()[0]
        assert bad["row"] == 7
        assert "column 'name': expected UTF-8 text, found 'caf\\\\xe9'" in bad["message"]


def test_training_names_the_row_whose_text_is_not_utf8(tmp_path: Path) -> None:
    from airflow_batchscore import Recipe
    from airflow_batchscore.training.train import TrainingJob, train

    name = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"b", b"\xff"], pa.binary()).buffers())
    (tmp_path / "p=1").mkdir()
    pq.write_table(pa.table({"a": [1.0, 2.0, 3.0], "name": name, "label": [0, 1, 0]}), tmp_path / "p=1" / "0.parquet")
    recipe = Recipe(features=lambda rows: rows[["a"]], target="label")
    dataset = PartitionedDataset(f"{tmp_path}/p={{p}}/")
    with pytest.raises(InputError, match=r"0\.parquet, row 2: .*column 'name': expected UTF-8 text"):
        train(TrainingJob(dataset, [1], recipe, "sklearn.tree:DecisionTreeClassifier", f"{tmp_path}/model"))


def test_integers_that_are_no_floats_cost_their_row_and_keys_keep_them(tmp_path: Path) -> None:
    big = 2**53 + 1
    data = small(tmp_path)
    table = _table(a=pa.array([big if n == 5 else n for n in range(20)]), big=[big + n for n in range(20)])
    manifest = _score(data, table, keys=("big",))
    assert manifest.account == Account(20, 19, 0, 1)
    assert scores(manifest)["big"].tolist() == [big + n for n in range(20) if n != 5]


def test_files_of_a_partition_may_differ_in_number_types_and_order_of_columns(tmp_path: Path) -> None:
    data = small(tmp_path)
    other = _table(a=pa.array([1] * 20, pa.int32()), b=pa.array([2.0] * 20, pa.float32()), more=["x"] * 20)
    manifest = _score(data, _table(), other.select(["more", "b", "id", "a"]))
    assert manifest.account == Account(40, 40, 0, 0)
    assert scores(manifest)["id"].tolist() == [*range(20), *range(20)]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"id": [1], "a": [1.0]}), r"1.parquet lacks the columns \['b'\]"),
        (pa.table({"id": [1], "a": ["x"], "b": [1]}), "column 'a' is string, the model was trained on float64"),
        (pa.table({"id": [1], "a": [[1.0]], "b": [1]}), "column 'a' is list"),
    ],
    ids=["missing", "text", "list"],
)
def test_a_file_that_does_not_fit_is_named_and_nothing_is_committed(
    tmp_path: Path, table: pa.Table, message: str
) -> None:
    data = small(tmp_path)
    with pytest.raises(InputError, match=f"partition p=1.*{message}"):
        _score(data, _table(), table)
    assert not list(tmp_path.glob("staged/**/manifests/*.json"))


def test_keys_whose_types_do_not_go_together_are_refused_before_a_row_is_scored(tmp_path: Path) -> None:
    """Not cast in silence: 7 and "7" are different keys."""
    data = small(tmp_path)
    text = _table(name=[str(n) for n in range(20)])
    number = _table(name=list(range(20)))
    with pytest.raises(InputError, match=r"'name' is string in .*0\.parquet and int64 in .*1\.parquet"):
        _score(data, text, number, keys=("id", "name"))
    assert not list(tmp_path.glob("staged/**/part-*.parquet"))


def test_a_replay_scores_the_blocks_with_quarantined_rows_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed here was a table beside the data; the recipe's code and the input are the same after the fix."""
    table = tmp_path / "rates.csv"
    table.write_text("b,rate\n" + "\n".join(f"{n},{n}" for n in range(6)))
    module = tmp_path / "rated_features.py"
    module.write_text(
        "import pandas as pd\n\n\n"
        "def rated(frame):\n"
        f"    rates = pd.read_csv({str(table)!r}).set_index('b')['rate']\n"
        "    return frame.assign(b=[rates[b] for b in frame['b']])[['a', 'b']]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    table.write_text(table.read_text() + "\n6,6\n")
    data = small(tmp_path, features="rated_features:rated")
    whole = table.read_text()
    table.write_text(whole.replace("\n6,6\n", "\n"))
    data.add(1, [(n, 1, 6 if n in (3, 4, 91) else 1, 0) for n in range(200)])
    ((first, _),) = data.score(1, block_rows=20)
    assert first.account == Account(200, 197, 0, 3)
    parts = {path: path.stat().st_mtime_ns for path in Path(first.folder.uri).glob("part-*.parquet")}

    ((same, reused),) = data.score(1)
    assert (same, reused) == (first, True)
    ((again, reused),) = data.score(1, replay=True)  # nothing was mended
    assert (again.account, reused, again.replays) == (first.account, False, 1)

    table.write_text(whole)
    ((mended, reused),) = data.score(1, replay=True)
    assert not reused
    assert mended.account == Account(200, 200, 0, 0)
    assert mended.rows_this_attempt < 60
    assert scores(mended)["id"].tolist() == list(range(200))
    assert {path: path.stat().st_mtime_ns for path in parts} == parts
    ((last, reused),) = data.score(1, replay=True)
    assert (last, reused) == (mended, True)
    pd.testing.assert_frame_equal(scores(last), scores(mended))


@pytest.mark.parametrize(("first", "second"), [(100, 250), (250, 100)])
@pytest.mark.parametrize("touched", [True, False])
def test_a_replay_puts_only_blocks_of_one_cut_together(tmp_path: Path, first: int, second: int, touched: bool) -> None:
    """The file is touched, or what says how it was cut is gone, and the replay asks for other blocks."""
    service = tmp_path / "service"

    def picky(rows: pd.DataFrame) -> pd.DataFrame:
        if not service.exists() and (rows["a"] == 650).any():
            raise ValueError("the service is down")
        return rows[["a"]]

    file = tmp_path / "part_1.parquet"
    pq.write_table(pa.table({"id": range(1000), "a": np.arange(1000.0)}), file, row_group_size=50)
    work = FunctionJob(FunctionRef.of(picky), columns=("a",), output_types={"a": "double"})
    dataset = PartitionedDataset(f"{tmp_path}/part_{{p}}.parquet")
    job = ScoringJob(dataset, work, f"{tmp_path}/staged", keys=("id",), block_rows=first)
    score_partitions(job, [{"p": "1"}], LocalDask(workers=1))
    service.touch()
    if touched:
        file.chmod(0o640)
    else:
        for layout in tmp_path.rglob("blocks-*.json"):
            layout.unlink()
    job = replace(job, block_rows=second, replay=True)
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=1))
    assert manifest.account == Account(1000, 1000, 0, 0)
    assert scores(manifest)["id"].tolist() == list(range(1000))
