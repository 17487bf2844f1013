"""Publications are ordered: an older one never replaces a newer one, however long it slept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from publications import ids, publish, stamps, stopped_publisher
from support import Small, good_rows, small

from airflow_batchscore.errors import GateError
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

OUTPUTS = ["out.parquet", "out.csv", "out"]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """Partitions 1 and 2, and after their input was replaced."""
    data = small(tmp_path_factory.mktemp("data"))
    return {"old": _score(data, 100), "new": _score(data, 120)}


def _score(data: Small, rows: int) -> list[Manifest]:
    for partition in (1, 2):
        data.add(partition, good_rows(rows, 1000 * partition))
    return [manifest for manifest, _ in data.score(1, 2, block_rows=50)]


def _rows(output: Path) -> dict[str, int]:
    return {p: len(rows) for p, rows in ids(output).items()}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_older_run_replaces_nothing_and_says_who_was_newer(
    scored: dict[str, list[Manifest]], tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    publish(scored["new"][:1], output, 20)
    with pytest.raises(GateError, match=r"has newer scores: p=1 by dag/20, planned .* This run, dag/10, .*republish"):
        publish(scored["old"], output, 10)
    assert _rows(output) == {"1": 120}  # p=2, of which nothing newer is there, was not published either
    publish(scored["old"], output, 10, republish=True)
    assert _rows(output) == {"1": 100, "2": 100}
    with pytest.raises(GateError, match="has newer scores: p=1 by dag/10"):
        publish(scored["new"][:1], output, 20)  # what was published again on purpose is now the newest
    publish(scored["new"], output, 30)
    assert _rows(output) == {"1": 120, "2": 120}


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTPUTS)
def test_a_publisher_that_was_stopped_and_overtaken_publishes_nothing(
    scored: dict[str, list[Manifest]], tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    publish(scored["new"], output, 5)
    with stopped_publisher(scored["old"], output, 10, tmp_path / "mark") as sleeper:
        publish(scored["new"], output, 20)  # the same scores as before, which are left untouched
        status, said = sleeper.wake()
    assert status == 1
    assert "GateError: not published" in said
    assert re.search("newer scores: p=1 by dag/20", said)
    assert _rows(output) == {"1": 120, "2": 120}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_an_attempt_that_was_stopped_does_not_replace_a_later_one_of_the_same_plan(
    scored: dict[str, list[Manifest]], tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    with stopped_publisher(scored["old"], output, 10, tmp_path / "mark") as sleeper:
        publish(scored["new"], output, 10)  # scored again and published, but not planned again
        status, said = sleeper.wake()
    assert status == 1
    assert "newer scores: p=1 by a later attempt of dag/10" in said
    assert _rows(output) == {"1": 120, "2": 120}
    assert publish(scored["new"], output, 10).changes.unchanged == ["p=1", "p=2"]  # a retry


@pytest.mark.parametrize("name", OUTPUTS)
def test_attempts_of_one_plan_are_ordered_by_when_they_began(
    scored: dict[str, list[Manifest]], tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    publish(scored["old"], output, 10, began=2)
    publish(scored["old"], output, 10, began=5)  # finds equal scores and leaves them
    with pytest.raises(GateError, match="newer scores: p=1 by a later attempt of dag/10"):
        publish(scored["new"], output, 10, began=4)
    assert publish(scored["old"], output, 10, began=4).changes.unchanged == [
        "p=1",
        "p=2",
    ]  # a retry, and its clock is late
    publish(scored["new"], output, 10, began=4, republish=True)
    assert _rows(output) == {"1": 120, "2": 120}
    publish(scored["old"], output, 20, began=1)
    assert _rows(output) == {"1": 100, "2": 100}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_a_publisher_that_was_stopped_and_is_the_newest_publishes(
    scored: dict[str, list[Manifest]], tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    with stopped_publisher(scored["new"][:1], output, 20, tmp_path / "mark") as sleeper:
        publish(scored["old"], output, 10)
        assert sleeper.wake() == (0, "")
    assert _rows(output) == {"1": 120, "2": 100}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".tmp-")]


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_what_is_published_says_where_it_comes_from(
    scored: dict[str, list[Manifest]], tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    publish(scored["new"], output, 7)
    found = stamps(output / "p=1" / "scores.parquet" if name == "out" else output)["p=1"]
    manifest = scored["new"][0]
    assert manifest.model is not None
    assert {what: found[what] for what in ("partition", "generation", "run", "manifest", "rows", "model")} == {
        "partition": {"p": "1"},
        "generation": 7,
        "run": "dag/7",
        "manifest": manifest.digest,
        "rows": 120,
        "model": manifest.model.version,
    }
    assert found["account"] == manifest.account.to_dict()


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_replay_with_equal_counts_is_published(tmp_path: Path, name: str) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(50))
    ((first, _),) = data.score(1)
    output = tmp_path / name
    publish([first], output, 1)
    assert publish([first], output, 2).changes.unchanged == ["p=1"]
    ((again, _),) = data.score(1, token="forced")
    assert (again.identity, again.account) == (first.identity, first.account)
    assert publish([again], output, 3).changes.replaced == ["p=1"]


def test_readers_of_the_folder_see_partitions_only(scored: dict[str, list[Manifest]], tmp_path: Path) -> None:
    for name in OUTPUTS:
        publish(scored["new"], tmp_path / "x" / name, 1)
        publish(scored["new"], tmp_path / "x" / name, 2)
    there = {path.name for path in (tmp_path / "x").iterdir()} | {path.name for path in (tmp_path / "x/out").iterdir()}
    assert {name for name in there if not name.startswith((".", "_"))} == {*OUTPUTS, "p=1", "p=2"}
    assert len(pd.read_parquet(tmp_path / "x" / "out")) == 240


def test_the_order_is_kept_in_a_file_that_says_who_published_last(
    scored: dict[str, list[Manifest]], tmp_path: Path
) -> None:
    publish(scored["new"], tmp_path / "out", 1)
    publish(scored["new"], tmp_path / "out", 2, began=7)
    digest = scored["new"][0].digest
    found: Any = json.loads((tmp_path / "out" / "_published" / "order.json").read_text())
    assert found["p=1"] == {"generation": 2, "run": "dag/2", "began": 7, "manifest": digest, "done": True}
