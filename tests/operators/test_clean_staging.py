"""The operator cleans what the DAG's author named, and says what went."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from operator_calls import executed
from support import Small, good_rows, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.operators import CleanStagingOperator
from airflow_batchscore.publish.combine import combine

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    """Partition 1, scored twice long ago: the newer scores and the published ones are not the same."""
    made = small(tmp_path)
    made.add(1, good_rows(30, 1000))
    for method, hours in (("predict", 300), ("predict_proba", 200), ("decision_function", 100)):
        ((manifest, _),) = made.score(1, method=method)
        for path in Path(manifest.folder.uri).rglob("*.*"):
            os.utime(path, (time.time() - hours * 3600,) * 2)
        if method == "predict":
            combine([manifest], Location(f"{tmp_path}/out.parquet"))
    return made


def _cleaned(data: Small, **options: Any) -> Any:
    given = {"output_uri": f"{data.folder}/staged", "published": f"{data.folder}/out.parquet", **options}
    return executed(CleanStagingOperator(task_id="clean", **given))


def test_it_removes_what_is_neither_newest_nor_published(data: Small) -> None:
    reported = _cleaned(data, keep_runs="1", only_report="True")
    assert (reported["dry_run"], reported["removed"], reported["kept"]) == (True, 1, 2)
    cleaned = _cleaned(data, keep_runs=1)
    assert cleaned["bytes"] == reported["bytes"]
    (listed,) = cleaned["listed"]
    assert (listed["partition"], listed["why"]) == ("p=1", "old")
    assert _cleaned(data, keep_runs=1)["removed"] == 0
    assert data.score(1)[0][1]
    assert data.score(1, method="decision_function")[0][1]
    assert not data.score(1, method="predict_proba")[0][1]


def test_days_and_an_age_that_templates_rendered(data: Small) -> None:
    assert _cleaned(data, keep_days="9")["removed"] == 0
    assert _cleaned(data, keep_days="None", keep_runs=1, min_age_hours="500")["removed"] == 0
    assert _cleaned(data, keep_days=0, published=[])["removed"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say what to keep: keep_days=30, keep_runs=5, or both"),
        ({"keep_days": "soon"}, "keep_days='soon': give a number"),
        ({"keep_runs": 1, "published": "/nowhere/out.parquet"}, "holds no published scores"),
        ({"keep_runs": 1, "output_uri": "/nowhere/staged"}, "holds no staged scores"),
    ],
)
def test_what_it_refuses_fails_at_once(data: Small, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AirflowFailException, match=message):
        _cleaned(data, **options)
