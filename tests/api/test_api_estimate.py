"""What a run by hand would take is told before it is paid for."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Small, good_rows, small

from airflow_batchscore import LocalDask, estimate, score
from airflow_batchscore.errors import BatchScoreError, GateError
from airflow_batchscore.scoring import rounds

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setattr(rounds, "_LEAST_SECONDS", 0.1)
    made = small(tmp_path)
    for partition in (1, 2, 3):
        made.add(partition, good_rows(2000, 5000 * partition))
    return made


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_run_is_estimated_as_it_would_be_scored(data: Small) -> None:
    before = _files(data.folder)
    run = {"output_uri": f"{data.folder}/staged", "engine": LocalDask(workers=1)}
    found = estimate(data.dataset, data.model.uri, "1..3", **run, price_per_core_hour=3600.0)
    assert _files(data.folder) == before
    assert (found.partitions, found.reused, found.tasks, found.workers) == (3, 0, 1, 1)
    assert found.rows == pytest.approx(6000, rel=0.05)
    assert found.cost == pytest.approx(found.core_seconds, abs=0.01)
    with pytest.raises(GateError, match="or raise the limit"):
        found.require_within(max_seconds=0)

    score(data.dataset, data.model.uri, [1, 2], **run)
    rest = estimate(f"{data.folder}/part_{{p}}.csv", data.model.uri, "1..3", **run)
    assert (rest.partitions, rest.reused) == (3, 0)  # read with other types, it has another identity
    rest = estimate(data.dataset, data.model.uri, "1..3", **run)
    assert (rest.partitions, rest.reused, rest.cost) == (1, 2, None)
    assert estimate(data.dataset, data.model.uri, "1..3", force=True, **run).partitions == 3

    assert "rows in 1 partition (2 more are committed already, and cost nothing), 1 task" in rest.sentences()[0]
    with pytest.raises(GateError, match="It has about [0-9,]+ rows in 1 partition to score, 1 task"):
        rest.require_within(max_seconds=0)
    done = estimate(data.dataset, data.model.uri, "1..2", **run)
    assert done.sentences() == ["There is nothing to score: 2 partitions are committed already, and cost nothing."]
    done = estimate(data.dataset, data.model.uri, [1], **run)
    assert done.sentences() == ["There is nothing to score: 1 partition is committed already, and cost nothing."]


def test_a_wrong_request_says_what_is_wrong(data: Small) -> None:
    run = {"output_uri": f"{data.folder}/staged"}
    for given, message in [
        ({"share": 0}, "share=0: the sample may cost more than 0"),
        ({"price_per_core_hour": -1}, "give a price from 0"),
        ({"partitions": [7]}, "no file for partition p=7"),
        ({"publish_to": "x"}, "there is no option publish_to"),
        ({"engine": LocalDask(python="/nowhere/python")}, "/nowhere/python"),
    ]:
        with pytest.raises(BatchScoreError, match=message):
            estimate(data.dataset, data.model.uri, **{**run, **given})
