"""A manifest is written once, and counts only if it is whole and its counts add up."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from manifests import block, manifest

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, ScoringError
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.plan.models import Chosen
from airflow_batchscore.quality.accounting import Account
from airflow_batchscore.scoring.manifest import FORMAT, Manifest
from airflow_batchscore.scoring.manifest_numbers import newest_number, numbered

pytestmark = pytest.mark.unit


def test_what_is_committed_is_read_back_with_the_digest_of_its_bytes(tmp_path: Path) -> None:
    made = manifest(tmp_path, choice=Chosen(ModelRef("/m/v1", "d" * 64)), outputs={"p": ["predict", "prediction"]})
    committed = made.commit()
    assert committed is not None
    assert committed.uri == f"{tmp_path}/manifests/000001.json"
    assert committed.digest == hashlib.sha256(Path(committed.uri).read_bytes()).hexdigest()
    assert Manifest.read(committed.location) == committed
    assert replace(committed, digest="") == made
    assert (committed.folder.uri, committed.key) == (str(tmp_path), "year=2015")
    assert (committed.rows, committed.rows_per_second, committed.is_function) == (6, 4.0, False)
    assert Manifest.read(Location(f"{tmp_path}/manifests/000002.json")) is None


def test_a_number_is_taken_once(tmp_path: Path) -> None:
    first = manifest(tmp_path).commit()
    assert first is not None
    assert manifest(tmp_path, started="later").commit() is None
    assert manifest(tmp_path).commit() == first, "a request that is sent again finds what it wrote itself"
    assert Manifest.read(first.location) == first


@pytest.mark.parametrize("account", [Account(9, 6, 1, 1), Account(8, 6, 2, 0)])
def test_an_account_that_is_not_the_sum_of_the_blocks_is_not_committed(tmp_path: Path, account: Account) -> None:
    with pytest.raises(ScoringError, match="partition year=2015: .*not the sum of its blocks"):
        manifest(tmp_path, account=account).commit()
    with pytest.raises(ScoringError, match="partition year=2015: the account is off, 5 rows read but 4 scored"):
        manifest(tmp_path, blocks=[block(0, Account(5, 4, 0, 0))]).commit()
    assert newest_number(Location(str(tmp_path))) == 0


def _altered(folder: Path, **changes: Any) -> Location:
    committed = manifest(folder).commit()
    assert committed is not None
    path = Path(committed.uri)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return committed.location


def _counts(*accounts: Account) -> dict[str, Any]:
    total = sum(accounts, Account())
    return {"blocks": [block(n, one).to_dict() for n, one in enumerate(accounts)], "account": total.to_dict()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": FORMAT - 1}, f"has format {FORMAT - 1}, this version reads {FORMAT}"),
        ({"format": None}, "has format None"),
        ({"blocks": None}, "is not a whole manifest"),
        ({"blocks": [{}]}, "is not a whole manifest"),
        ({"blocks": ["x"]}, "is not a whole manifest"),
        ({"account": {}}, "is not a whole manifest"),
        ({"unknown": 1}, "is not a whole manifest"),
        ({"account": Account(9, 7, 1, 1).to_dict()}, "do not add up to the partition's; the file was altered"),
        (_counts(Account(9, 4, 1, 0)), "do not add up to the partition's; the file was altered"),
        (_counts(Account(2, 4, -2, 0)), "do not add up to the partition's; the file was altered"),
        ({"blocks": [block(0, Account("5", 4, 1, 0)).to_dict()]}, "is not a whole manifest"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_a_manifest_that_was_altered_is_refused_with_what_to_do(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(
        InputError, match=rf"000001.json.* {message}.*score the partition again with force in a new run"
    ):
        Manifest.read(_altered(tmp_path, **changes))


@pytest.mark.parametrize("content", ["", "{", "[]", "3"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    location = _altered(tmp_path)
    Path(location.uri).write_text(content)
    with pytest.raises(InputError, match=r"000001.json (is not JSON|holds .* where an object was expected)"):
        Manifest.read(location)


def test_the_newest_manifest_has_the_highest_number_and_other_files_do_not_count(tmp_path: Path) -> None:
    folder = Location(str(tmp_path))
    assert newest_number(folder) == 0
    names = ["000002.json", "000010.json", "1000000.json", "000011.json.tmp", "11.json", "x000012.json", "2000000.txt"]
    (tmp_path / "manifests").mkdir()
    for name in names:
        (tmp_path / "manifests" / name).touch()
    assert newest_number(folder) == 1_000_000
    assert numbered(folder, 1_000_000).name == "1000000.json"


def test_profiles_and_rows_without_a_model_are_those_of_all_blocks(tmp_path: Path) -> None:
    skipped, fallback = "s=1: missing, skipped", "s=2: stale, fallback"
    one, two = Account(3, 2, 1, 0), Account(4, 1, 3, 0)
    made = manifest(
        tmp_path,
        blocks=[
            block(0, one, features={"x": [1, 0, 1]}, expected_features={"x": [0.5, 1.0, 0.5]}, uncovered={skipped: 1}),
            block(1, two, features={"x": [0, 2, 0]}, predictions={"p": [1]}, uncovered={skipped: 3, fallback: 1}),
        ],
    )
    assert made.profiles() == ({"x": [1, 2, 1]}, {"p": [1]})
    assert made.expected() == ({"x": [0.5, 1.0, 0.5]}, {})
    assert made.uncovered == {skipped: 4, fallback: 1}
    assert made.rows_without_model == 4


def test_a_function_says_that_it_is_one_and_no_time_is_no_rate(tmp_path: Path) -> None:
    assert manifest(tmp_path, method="my_code:score", model=None).is_function
    assert manifest(tmp_path, seconds=0.0).rows_per_second == 0
