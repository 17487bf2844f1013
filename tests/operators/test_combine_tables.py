"""`CombineOperator(table=)`: what a run that published to a table returns, reports and announces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lakes import KINDS, lake
from operator_calls import audited, context, handed_scores, published, publishing
from support import Small, good_rows

from airflow_batchscore.data.storage import credentials
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.operators.lineage import lineage_of
from airflow_batchscore.publish.published import PublishedRun
from airflow_batchscore.publish.run_view_model import output_view

pytestmark = pytest.mark.dag


@pytest.fixture
def data(fresh: Small) -> Small:
    for partition in (1, 2):
        fresh.add(partition, good_rows(20, 1000 * partition))
    return fresh


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_says_which_version_it_made(
    data: Small, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lake(kind, tmp_path / "lake") as there:
        extra = {name: value for name, value in there.properties.items() if name != "uri"}
        connection = {"conn_type": "iceberg", "extra": {**extra, "uri": there.properties["uri"]}}
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
        credentials.forget("catalog lake")  # the operator finds it
        published(handed_scores(data, "all", 1, 1, 2), "all", Path(there.output), table=there.table)
        data.add(2, good_rows(30, 2000))
        checked = audited(handed_scores(data, "two", 2, 2), "two", 2)
        done = published(checked, "two", Path(there.output), table=there.table)
        assert there.rows() == {1: 20, 2: 30}
        history = there.opened().history()
    assert done["version"] == ("1" if kind == "delta" else str(history[-1].snapshot_id))
    assert (done["replaced"], done["kept"], done["table"]["format"]) == (1, 1, kind)
    report = Path(done["report"])
    assert report.is_relative_to(Path(there.output, "_runs"))
    assert f"<dt>Version of the table</dt><dd><code>{done['version']}</code></dd>" in report.read_text()
    facts = json.loads(Path(done["summary"]).read_text())
    assert facts["table_version"] == done["version"]
    lines = {line["name"]: line["code"] for line in facts["read_with"]}
    assert lines.keys() == (
        {"deltalake", "Polars", "DuckDB", "Spark"} if kind == "delta" else {"pyiceberg", "Polars", "Spark"}
    )
    view = output_view(PublishedRun.from_dict(done), None, False, None, "", ["p"])
    assert view["read_with"] == facts["read_with"], "the run's page shows the report's lines"
    assert view["table_version"] == done["version"]


def test_lineage_and_the_assets_event_name_the_version(data: Small, tmp_path: Path) -> None:
    with lake("delta", tmp_path / "lake") as there:
        operator = publishing(handed_scores(data, "a", 1, 1), Path(there.output), table=there.table)
        operator.run_stage(context("publish", "a"))
    assert operator.outcome is not None
    (written,) = operator.outcome.writes
    assert (written.uri, written.version) == (there.output, "0")
    assert written.extra is not None
    assert written.extra["table_version"] == "0"
    (output,) = lineage_of(operator.outcome).outputs
    assert (output.namespace, output.name) == ("file", there.output)
    assert output.facets["version"].datasetVersion == "0"


def test_what_a_catalog_needs_is_named(data: Small, tmp_path: Path) -> None:
    scores = handed_scores(data, "a", 1, 1)
    with lake("iceberg", tmp_path / "lake") as there:
        with pytest.raises(InputError, match="the connection 'lake' does not exist"):
            published(scores, "a", Path(there.output), table=there.table)
        wrong: Any = "iceberg"
        with pytest.raises(InputError, match=r"table='iceberg': give Delta\(\) or Iceberg"):
            published(scores, "a", Path(there.output), table=wrong)


def test_a_table_with_the_name_of_a_file_is_refused(data: Small, tmp_path: Path) -> None:
    with lake("delta", tmp_path / "lake") as there, pytest.raises(OutputError, match="a table is a folder"):
        published(handed_scores(data, "a", 1, 1), "a", tmp_path / "out.parquet", table=there.table)
