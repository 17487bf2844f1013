"""Keys of CSV files from the file to the scores, and rows that are short."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import Small, scores, small, write_csv

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.model import artifact
from airflow_batchscore.model.functions import FunctionRef
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.job import FunctionJob
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

LONG = ["12345678901234567890", "12345678901234567891"]
KEYS = [*LONG, "12E3", "00123", "+49170", "NA", "", " x", "1.50", "TRUE", "nan"]


@pytest.fixture
def data(tmp_path: Path) -> Small:
    return small(tmp_path)


def _plain(data: Small, **options: Any) -> PartitionedDataset:
    """The dataset without a declared type."""
    return PartitionedDataset(data.dataset.uri, read_options=options)


def _score(data: Small, **options: Any) -> Manifest:
    ((manifest, _),) = data.score(1, **{"dataset": _plain(data), **options})
    return manifest


@pytest.mark.parametrize("block_rows", [2, 1000])
def test_keys_are_published_byte_for_byte(data: Small, block_rows: int) -> None:
    data.add(1, [(key, n % 5, n % 3, 0) for n, key in enumerate(KEYS)])
    manifest = _score(data, block_rows=block_rows)
    assert scores(manifest)["id"].tolist() == KEYS
    assert manifest.schema["id"] == "string"
    assert manifest.account == Account(len(KEYS), len(KEYS), 0, 0)


def test_keys_are_the_same_beside_a_bad_row_and_in_quarantine(data: Small) -> None:
    data.add(1, [(key, "zz" if key == "NA" else n % 5, n % 3, 0) for n, key in enumerate(KEYS)])
    manifest = _score(data)
    assert scores(manifest)["id"].tolist() == [key for key in KEYS if key != "NA"]
    (name,) = [block.quarantine for block in manifest.blocks]
    assert pd.read_parquet(f"{manifest.folder}/{name}")["key_id"].tolist() == ["NA"]


def test_an_input_that_is_also_a_key_is_a_number_for_the_model_and_text_in_the_scores(data: Small) -> None:
    texts = ["007", "1e0", " 2", "+3", "NA", "x"]
    data.add(1, [(n, text, 1, 0) for n, text in enumerate(texts)])
    manifest = _score(data, keys=("a", "id"))
    assert scores(manifest)["a"].tolist() == texts[:4]
    model = artifact.load(data.model).estimator
    expected = model.predict(pd.DataFrame({"a": [7.0, 1.0, 2.0, 3.0], "b": 1.0}))
    assert scores(manifest)["prediction"].tolist() == expected.tolist()
    assert manifest.account == Account(6, 4, 0, 2)  # the model takes no missing value


def test_a_key_has_the_type_that_is_declared(data: Small) -> None:
    data.add(1, [("007", 1, 2, 0), ("", 1, 2, 0)])
    manifest = _score(data, dataset=_plain(data, column_types={"id": "int64"}))
    assert scores(manifest)["id"].astype("Int64").tolist() == [7, pd.NA]
    assert manifest.schema["id"] == "int64"


@pytest.mark.parametrize("padded", [True, False])
def test_short_rows_are_padded_and_counted_or_bad(data: Small, padded: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    path = write_csv(data.folder / "part_1.csv", [(n, n % 5, 2, 0) for n in range(20)])
    lines = path.read_text().splitlines()
    lines[3], lines[8] = "2,2,2", "7,2"  # the second lacks what the model needs
    path.write_text("\n".join(lines))
    manifest = _score(data, block_rows=10, dataset=_plain(data, pad_short_rows=padded))
    assert [block.padded for block in manifest.blocks] == ([2, 0] if padded else [0, 0])
    assert manifest.account == Account(20, 20 - (1 if padded else 2), 0, 1 if padded else 2)
    assert ("2 rows had fewer cells than the header" in caplog.text) == padded
    assert ('read_options={"pad_short_rows": True}' in caplog.text) != padded


def test_training_pads_short_rows_and_says_how_many(data: Small, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    rows = [f"{n},{n % 5},{n % 3},{n % 2}" for n in range(40)]
    (data.folder / "part_1.csv").write_text("\n".join(["id,a,b,label", *rows, "40,1,1"]))
    estimator = "sklearn.linear_model:LogisticRegression"
    dataset = _plain(data, pad_short_rows=True)
    trained = train(TrainingJob(dataset, [1], data.recipe, estimator, f"{data.folder}/model"))
    assert trained.manifest.training.rows_trained == 40  # the label of the short row is missing
    assert "1 row had fewer cells than the header" in caplog.text


def test_stray_quotes_and_their_lines_are_in_the_account(data: Small) -> None:
    rows = [(n, n % 5, 2, "x") for n in range(1000)]
    rows[450], rows[550] = (450, 0, 2, '"x'), (550, 0, '"2', "x")
    data.add(1, rows)
    for block_rows in (70, 5000):
        manifest = _score(data, block_rows=block_rows, token=str(block_rows))
        assert manifest.account == Account(1000, 998, 0, 2)
        assert scores(manifest)["id"].tolist() == [str(n) for n in range(1000) if n not in (450, 550)]


def test_training_refuses_a_file_with_a_stray_quote(data: Small) -> None:
    from airflow_batchscore.errors import InputError

    data.add(1, [(n, n % 5, n % 7, n % 2) for n in range(50)], header=("id", "a", "b", "label"))
    data.add(2, [(n, n % 5, '"3' if n == 30 else n % 7, n % 2) for n in range(50)])
    job = TrainingJob(_plain(data), [1], data.recipe, "sklearn.linear_model:LogisticRegression", f"{data.folder}/m")
    assert train(job).manifest.signature.raw["b"] == "int64"
    with pytest.raises(InputError, match=r"part_2.csv, row 30: the line is part of a quoted field"):
        train(replace(job, partitions=[2]))


def _count(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rows": [len(rows)]})


@pytest.mark.parametrize("block_rows", [7, 1000])
def test_groups_are_told_apart_by_their_text(data: Small, block_rows: int) -> None:
    sites = ["007", "7", "7.0", "NA", "", *LONG]
    data.add(1, [(site, 1) for _ in range(5) for site in sites], header=("site", "value"))
    function = FunctionJob(FunctionRef.of(_count), group_by=("site",))
    manifest = _score(data, scored_with=function, block_rows=block_rows)
    assert scores(manifest).set_index("site")["rows"].to_dict() == dict.fromkeys(sites, 5)
