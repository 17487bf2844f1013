"""Bad input: what each kind of it gives, at the scoring stage and at the gate."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import Small, good_rows, scores, small

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.errors import GateError, InputError, OutputError, ScoringError
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.quality.quarantine import Limit
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    return small(tmp_path)


def _manifests(data: Small) -> list[Path]:
    return list(data.folder.glob("staged/**/manifests/*.json"))


def _quarantined(manifest: Any) -> list[dict[str, Any]]:
    names = [block.quarantine for block in manifest.blocks if block.quarantine]
    return [row for name in names for row in pd.read_parquet(f"{manifest.folder}/{name}").to_dict("records")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"partition p=1: .*part_1.csv is empty \(0 bytes\)"),
        (b"id,a,b\n", r"partition p=1: .*part_1.csv holds no rows.*allow_empty"),
        (b"id,a,label\n1,2,3\n", r"partition p=1: .*part_1.csv lacks the columns \['b'\]\. .* It has id, a, label"),
        (b"\n\n", r"part_1.csv has no header"),
        (b"id,a,\xe9,b\n1,2,3,4\n", r"header of .*part_1.csv is not utf-8.*encoding.: .latin-1"),
    ],
)
def test_a_file_that_cannot_be_scored_is_named_and_nothing_is_committed(
    data: Small, content: bytes, message: str
) -> None:
    (data.folder / "part_1.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        data.score(1)
    assert not _manifests(data)


def test_a_block_that_a_reader_names_is_named_once(data: Small) -> None:
    pd.DataFrame({"id": [1], "a": ["x"], "b": [2]}).to_parquet(data.folder / "part_1.parquet")
    dataset = PartitionedDataset(f"{data.folder}/part_{{p}}.parquet")
    with pytest.raises(InputError, match="column 'a' is ") as raised:
        data.score(1, dataset=dataset)
    assert str(raised.value).count("block 0") == 1


def test_a_partition_without_rows_can_be_allowed(data: Small) -> None:
    data.add(1, [])
    ((manifest, _),) = data.score(1, allow_empty=True)
    assert manifest.account == Account()
    assert scores(manifest).columns.tolist() == ["id", "prediction"]


def test_a_partition_of_which_every_row_is_skipped_is_valid(tmp_path: Path) -> None:
    data = small(tmp_path, features=lambda frame: frame[["a", "b"]].dropna())
    data.add(1, [(n, "", n, 0) for n in range(30)])
    ((manifest, _),) = data.score(1)
    assert manifest.account == Account(30, 0, 30, 0)
    assert manifest.schema == {"id": "int64", "prediction": "int64"}
    assert audit([{"p": "1"}], [manifest], Limits(max_skipped=1.0)).problems == []


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ((13, "many", 2, 0), "ParseError", "column 'a': expected a number, found 'many'"),
        ((13, 1, 2, 0, 5), "ParseError", "expected 4 fields, found 5"),
        ((13, 1), "ParseError", "expected 4 fields, found 2"),
        (("x13", 1, 2, 0), "ParseError", "column 'id': expected a whole number"),
        ((13, "", 2, 0), "ValueError", "Input X contains NaN"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_place_and_reason_and_stops_publication(
    data: Small, row: tuple[object, ...], error: str, message: str
) -> None:
    rows: list[Any] = list(good_rows(40))
    rows[13] = row
    data.add(1, rows)
    ((manifest, _),) = data.score(1)
    assert manifest.account == Account(40, 39, 0, 1)
    assert scores(manifest)["id"].tolist() == [n for n in range(40) if n != 13]
    (bad,) = _quarantined(manifest)
    assert (bad["p"], bad["row"], bad["error"]) == ("1", 13, error)
    assert message in bad["message"]
    with pytest.raises(GateError, match=r"did not pass.*1 row in quarantine, 0 allowed: p=1 1 \(in .*quarantine\)"):
        audit([{"p": "1"}], [manifest]).require()
    audit([{"p": "1"}], [manifest], Limits(max_quarantined=1)).require()
    audit([{"p": "1"}], [manifest], Limits(max_quarantined="0.03")).require()


def test_bytes_that_are_not_text_are_quarantined(tmp_path: Path) -> None:
    data = small(tmp_path, keys=["id", "name"])
    lines = [b"id,a,b,name", b"1,1,1,x", b"2,1,1,\xff\xfe", b"3,1,1,z"]
    (data.folder / "part_1.csv").write_bytes(b"\n".join(lines))
    ((manifest, _),) = data.score(1)
    assert manifest.account == Account(3, 2, 0, 1)
    (bad,) = _quarantined(manifest)
    assert bad["key_name"] == "\\xff\\xfe"
    assert "expected UTF-8 text" in bad["message"]


def test_quoted_newlines_are_part_of_the_value_when_asked_for_and_bad_rows_else(tmp_path: Path) -> None:
    data = small(tmp_path, keys=["id", "name"])
    (data.folder / "part_1.csv").write_text('id,a,b,name\n1,1,1,"two\nlines"\n2,1,1,plain\n')
    joined = PartitionedDataset(data.dataset.uri, read_options={"newlines_in_values": True})
    ((manifest, _),) = data.score(1, dataset=joined)
    assert scores(manifest)["name"].tolist() == ["two\nlines", "plain"]
    ((manifest, _),) = data.score(1)
    assert manifest.account == Account(3, 1, 0, 2)
    assert 'read_options={"newlines_in_values": True}' in _quarantined(manifest)[0]["message"]


def test_a_truncated_gzip_is_named(data: Small) -> None:
    text = "id,a,b\n" + "".join(f"{n},{n % 5},{n % 7}\n" for n in range(50_000))
    packed = gzip.compress(text.encode())
    (data.folder / "part_1.csv.gz").write_bytes(packed[: len(packed) // 2])
    dataset = PartitionedDataset(f"{data.folder}/part_{{p}}.csv.gz")
    with pytest.raises(
        InputError, match=r"partition p=1.*part_1.csv.gz cannot be (unpacked|read to its end): .*Truncated"
    ):
        data.score(1, dataset=dataset)
    assert not _manifests(data)


def test_rows_that_predict_refuses_are_found_one_by_one(data: Small) -> None:
    job = TrainingJob(data.dataset, [0], data.recipe, "strange_models:Picky", f"{data.folder}/picky")
    rows = [(n, 13 if n in (4, 77) else 1, 2, 0) for n in range(100)]
    data.add(1, rows)
    ((manifest, _),) = data.score(1, model=train(job).ref)
    assert manifest.account == Account(100, 98, 0, 2)
    assert [(bad["row"], bad["error"]) for bad in _quarantined(manifest)] == [(4, "ValueError"), (77, "ValueError")]


def test_categories_that_were_never_seen_are_quarantined_by_a_model_that_refuses_them(data: Small) -> None:
    job = TrainingJob(data.dataset, [0], data.recipe, "strange_models:categories", f"{data.folder}/categories")
    rows: list[Any] = list(good_rows(60))
    rows[7], rows[31] = (7, 99, 1, 0), (31, 1, 77, 0)
    data.add(1, rows)
    ((manifest, _),) = data.score(1, model=train(job).ref)
    assert manifest.account == Account(60, 58, 0, 2)
    found = _quarantined(manifest)
    assert [bad["row"] for bad in found] == [7, 31]
    assert "Found unknown categories" in found[0]["message"]


def test_too_many_bad_rows_stop_scoring_with_the_way_out(data: Small) -> None:
    data.add(1, [(n, "text", 2, 0) for n in range(50)])
    with pytest.raises(ScoringError, match=r"p=1, block 0 .*50 of 50 rows cannot be scored.*quarantine=10.*columns="):
        data.score(1, limit=Limit(10))
    data.add(2, [(n, "", 2, 0) for n in range(50)])
    with pytest.raises(ScoringError, match="more than 10 rows fail"):
        data.score(2, limit=Limit(10))
    assert not _manifests(data)


def test_a_partition_that_vanished_after_the_plan_is_named(data: Small) -> None:
    with pytest.raises(InputError, match="partition p=7: no file matches .*part_7.csv; it was there when planned"):
        data.score(7)


def test_an_output_that_cannot_be_written_is_named_before_anything_is_scored(data: Small, tmp_path: Path) -> None:
    data.add(1, good_rows(5))
    (tmp_path / "file").write_text("")
    with pytest.raises((InputError, OutputError), match=r"cannot (read|write) .*/file/.*Check the URI"):
        data.score(1, output_uri=str(tmp_path / "file"))


def test_a_key_that_has_the_name_of_an_output_is_refused(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, [(1, 2, 3, 4)], header=("prediction", "a", "b", "label"))
    with pytest.raises(OutputError, match=r"the keys \['prediction'\] have the name of an output column"):
        data.score(1, keys=("prediction",), engine=LocalDask(workers=1))
