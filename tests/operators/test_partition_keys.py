"""The keys of partitions in asset events, and which tasks raise an event for each partition."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import (
    CronPartitionTimetable,
    PartitionedAssetTimetable,
    PartitionedAtRuntime,
)
from airflow.sdk.bases.timetable import BaseTimetable
from commands import run_command
from hypothesis import given
from hypothesis import strategies as st
from operator_calls import context, dag
from support import ROOT

from airflow_batchscore.data.request import parse_request
from airflow_batchscore.errors import InputError
from airflow_batchscore.operators import CombineOperator
from airflow_batchscore.operators.assets import asset_at
from airflow_batchscore.operators.partition_keys import event_key, raises_partition_events, require_event_keys

pytestmark = pytest.mark.dag

#: What a request reads as more than letters, and any letters.
PIECES = st.sampled_from(["..", ".", "1", "3", "2000", "2016", "2026-01-30", "dev-", "*", "?", ",", "=", "a", "None"])
VALUES = st.one_of(st.text(min_size=1, max_size=8), st.lists(PIECES, min_size=1, max_size=5).map("".join)).filter(
    lambda text: text not in (".", "..") and "/" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"year": "2015"}, "2015"),
        ({"day": "2026-01-02"}, "2026-01-02"),
        ({"country": "DE", "year": "2020"}, "country=DE/year=2020"),
        ({"name": "a,b"}, "name=a%2Cb"),
        ({"name": "2000..2016"}, "name=2000%2E%2E2016"),
        ({"name": "dev-1..dev-3"}, "name=dev-1%2E%2Edev-3"),
        ({"country": "DE", "name": "1..3"}, "country=DE/name=1%2E%2E3"),
        ({"name": "a..b"}, "a..b"),
        ({"name": "None"}, "name=None"),
        ({"name": "name=x"}, "name=name%3Dx"),
        ({"name": " x"}, "name=%20x"),
        ({"city": "M\u00fcnchen"}, "M\u00fcnchen"),
    ],
)
def test_a_key_is_the_bare_value_or_field_by_field(values: dict[str, str], key: str) -> None:
    assert event_key(values) == key


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, min_size=1))
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_every_key_names_its_partition_and_no_other(values: dict[str, str]) -> None:
    assert parse_request(event_key(values), list(values)) == [values]


def test_a_key_that_airflow_cannot_store_is_refused_with_its_partition() -> None:
    require_event_keys([{"a": "x" * 250}])
    with pytest.raises(InputError, match=r"partition a=xxx.*has 251 characters, and Airflow takes 250"):
        require_event_keys([{"a": "x" * 251}])


@pytest.mark.parametrize(
    ("schedule", "key", "raised"),
    [
        ("@daily", None, False),
        (None, None, False),
        ([asset_at("s3://b/x")], None, False),
        (PartitionedAtRuntime(), None, True),
        (PartitionedAtRuntime(), "2015", False),
        (PartitionedAssetTimetable(assets=asset_at("s3://b/x")), None, True),
        (PartitionedAssetTimetable(assets=asset_at("s3://b/x")), "2015", False),
        (CronPartitionTimetable("@daily", timezone="UTC"), None, True),
    ],
)
def test_runs_without_a_key_of_partitioned_dags_have_an_event_for_each_partition(
    schedule: BaseTimetable | Any, key: str | None, raised: bool
) -> None:
    with dag(schedule=schedule):
        publish = CombineOperator(task_id="publish", scores=[], output_uri="s3://b/out")
    run = context("publish", dag_run=SimpleNamespace(dag_id="d", run_id="r", partition_key=key))
    assert raises_partition_events(publish, run, None) is raised
    assert raises_partition_events(publish, run, True)
    assert not raises_partition_events(publish, run, False)


def test_the_author_is_told_that_only_declared_assets_can_have_keys() -> None:
    with dag(), pytest.raises(InputError, match=r"only a run knows output_uri='s3://b/\{\{ ds \}\}'"):
        CombineOperator(task_id="publish", scores=[], output_uri="s3://b/{{ ds }}", partition_events=True)


_IN_AN_OLDER_AIRFLOW = """
import sys
sys.path[:0] = [{folder!r}, {root!r}, {root!r} + "/dags"]
import wta_partitioned_assets
from airflow.sdk import DAG
from airflow_batchscore import PartitionedDataset
from airflow_batchscore.operators import AnnouncePartitionsOperator, CombineOperator
print([name for name, value in vars(wta_partitioned_assets).items() if isinstance(value, DAG)])
with DAG("d"):
    CombineOperator(task_id="usual", scores=[], output_uri="s3://b/out")
    for make in (
        lambda: CombineOperator(task_id="p", scores=[], output_uri="s3://b/out", partition_events=True),
        lambda: AnnouncePartitionsOperator(task_id="a", dataset=PartitionedDataset("s3://b/x_{{y}}.csv")),
    ):
        try:
            make()
        except Exception as error:
            print(error)
"""


def test_airflow_3_2_is_told_what_it_lacks_and_has_no_such_example(tmp_path: Path) -> None:
    installed = tmp_path / "apache_airflow_core-3.2.2.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: apache_airflow_core\nVersion: 3.2.2\n")
    code = _IN_AN_OLDER_AIRFLOW.format(folder=str(tmp_path), root=str(ROOT))
    done = run_command([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    needs = (
        "needs Airflow 3.3, where a task can raise an asset event for each partition, and this is 3.2.2: upgrade "
        "Airflow, or leave it out of the DAG"
    )
    said = [f"partition_events=True {needs}", f"AnnouncePartitionsOperator {needs}"]
    assert done.stdout.splitlines() == ["[]", *said], done.stderr
