"""What is published of what scoring, or a check of it, returned, and what is not."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from operator_calls import audited, context, dag, handed_plan, handed_scores, published
from support import Small, good_rows, small

from airflow_batchscore import LocalDask
from airflow_batchscore.data.json_types import JsonObject
from airflow_batchscore.engine.base import Engine, Session
from airflow_batchscore.errors import GateError, InputError, OutputError
from airflow_batchscore.operators import CheckScoresOperator, CombineOperator
from airflow_batchscore.operators.seal import unseal

pytestmark = pytest.mark.dag


@pytest.fixture
def data(fresh: Small) -> Small:
    for partition in (1, 2, 3):
        fresh.add(partition, good_rows(20, 1000 * partition))
    return fresh


def test_two_partitions_of_three_replace_themselves_alone(data: Small, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    published(handed_scores(data, "all", 1, 1, 2, 3), "all", output)
    data.add(2, good_rows(30, 2000))
    done = published(audited(handed_scores(data, "two", 2, 1, 2), "two", 1, 2), "two", output)
    counts = {name: done[name] for name in ("rows", "added", "replaced", "unchanged", "kept", "dropped")}
    assert counts == {"rows": 50, "added": 0, "replaced": 1, "unchanged": 1, "kept": 1, "dropped": 0}
    assert pd.read_parquet(output).groupby("p").size().to_dict() == {1: 20, 2: 30, 3: 20}


def test_in_a_folder_the_partitions_of_other_runs_are_left_alone(data: Small, tmp_path: Path) -> None:
    output = tmp_path / "by_p"
    published(handed_scores(data, "all", 1, 1, 2, 3), "all", output)
    kept = (output / "p=1" / "scores.parquet").stat()
    data.add(2, good_rows(9, 2000))
    assert published(handed_scores(data, "two", 2, 2), "two", output)["replaced"] == 1
    assert (output / "p=1" / "scores.parquet").stat() == kept
    assert pd.read_parquet(output).groupby("p", observed=True).size().to_dict() == {1: 20, 2: 9, 3: 20}


def test_what_the_audit_read_is_published_whatever_is_scored_meanwhile(data: Small, tmp_path: Path) -> None:
    checked = audited(handed_scores(data, "a", 1, 1), "a", 1)
    handed_scores(data, "b", 2, 1, token="force of another run")  # noqa: S106 - the run's id
    published(checked, "a", tmp_path / "out.parquet")
    said = json.loads(pq.read_metadata(tmp_path / "out.parquet").metadata[b"batchscore"])
    assert said["partitions"][0]["manifest"] == checked["scores"][0]["manifests"][0]["digest"]


def test_a_manifest_that_was_altered_after_the_audit_is_not_published(data: Small, tmp_path: Path) -> None:
    checked = audited(handed_scores(data, "a", 1, 1), "a", 1)
    path = Path(checked["scores"][0]["manifests"][0]["manifest"])
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"seconds"', '"seconds" '))
    with pytest.raises(GateError, match=r"000001.json is not what scoring wrote"):
        published(checked, "a", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_where_a_check_is_handed_on_scores_that_it_did_not_see_are_refused(data: Small, tmp_path: Path) -> None:
    scores = handed_scores(data, "a", 1, 1)
    with dag():
        check = CheckScoresOperator(task_id="check", plan=[], scores=[])
        publish = CombineOperator(task_id="publish", scores=check.output, output_uri=str(tmp_path / "out.parquet"))
    publish._written = {"scores": check.output}
    publish.scores = scores  # as somebody who edits the check's XCom would have it
    with pytest.raises(GateError, match="CheckScoresOperator returned in this run, and it is a list; expand"):
        publish.run_stage(context("publish", "a"))
    publish._written = {"scores": "{{ ti.xcom_pull('check') }}"}
    for rendered in (str(scores), scores):  # the second with render_template_as_native_obj=True
        publish.scores = rendered
        with pytest.raises(GateError, match="this must be what CheckScoresOperator returned in this run"):
            publish.run_stage(context("publish", "a"))
    publish.scores = audited(scores, "a", 1)
    assert publish.run_stage(context("publish", "a"))["rows"] == 20


def test_an_old_run_that_is_cleared_does_not_replace_newer_scores(data: Small, tmp_path: Path) -> None:
    output = tmp_path / "out"
    old = handed_scores(data, "old", 1, 1, 2)
    data.add(1, good_rows(30, 1000))
    published(handed_scores(data, "new", 2, 1), "new", output)
    with pytest.raises(GateError, match=r"has newer scores: p=1 by d/new, planned .* This run, d/old"):
        published(old, "old", output)
    assert len(pd.read_parquet(output)) == 30
    published(old, "old", output, republish="True")
    assert len(pd.read_parquet(output)) == 40


@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_a_runs_report_is_its_own(data: Small, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "report.html"
    done = {
        run: published(handed_scores(data, run, number, *partitions), run, tmp_path / name, report_uri=str(copy))
        for number, (run, partitions) in enumerate({"three": (1, 2, 3), "one": (2,)}.items())
    }
    for run, count in (("three", 3), ("one", 1)):
        facts = json.loads(Path(done[run]["summary"]).read_text())
        assert (facts["run"]["run_id"], facts["totals"]["partitions"]) == (run, count)
        assert f"<code>{run}</code>" in Path(done[run]["report"]).read_text()
        assert f"/_runs/{'' if name == 'out' else 'out.parquet/'}d/{run}/" in done[run]["report"]
    assert copy.read_text() == Path(done["one"]["report"]).read_text()


class Asked(Engine):
    """Says that its workers were asked for."""

    def session(self, slots: int = 1) -> AbstractContextManager[Session]:
        raise GateError("workers were asked for")

    def describe(self) -> JsonObject:
        return {}


def test_the_partitions_of_a_folder_are_written_by_the_engines_workers(data: Small, tmp_path: Path) -> None:
    scores = handed_scores(data, "a", 1, 1, 2)
    with pytest.raises(GateError, match="workers were asked for"):
        published(scores, "a", tmp_path / "by_p", engine=Asked())
    assert published(scores, "a", tmp_path / "by_p", engine=LocalDask(workers=2))["added"] == 2
    assert published(scores, "a", tmp_path / "out.parquet", engine=Asked())["added"] == 2


def test_an_engine_that_is_none_is_refused(data: Small, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="engine='local': its class must derive from"):
        published(handed_scores(data, "a", 1, 1), "a", tmp_path / "out", engine="local")


def test_a_run_of_which_every_row_was_skipped_replaces_nothing(tmp_path: Path) -> None:
    data = small(tmp_path, features=lambda frame: frame[["a", "b"]].dropna())
    output = tmp_path / "out.parquet"
    data.add(1, good_rows(20))
    published(audited(handed_scores(data, "a", 1, 1), "a", 1), "a", output)
    data.add(1, [(n, "", n, 0) for n in range(20)])
    scores = handed_scores(data, "b", 2, 1)
    with pytest.raises(GateError, match="not one of 20 rows was scored"):
        audited(scores, "b", 1)
    checked = audited(scores, "b", 1, max_skipped="1.0")
    with pytest.raises(GateError, match="no partition has a row"):
        published(checked, "b", output)
    assert len(pd.read_parquet(output)) == 20
    published(checked, "b", output, allow_empty=True)
    assert len(pd.read_parquet(output)) == 0


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_scores_that_are_published_again_on_purpose_are_the_latest(data: Small, tmp_path: Path, name: str) -> None:
    output, page = tmp_path / name, tmp_path / "page.html"
    old = handed_scores(data, "old", 1, 1, 2)
    data.add(1, good_rows(30, 1000))
    published(handed_scores(data, "new", 2, 1, 2), "new", output, report_uri=str(page))
    published(old, "old", output, report_uri=str(page), republish=True)
    runs = tmp_path / "_runs" / name if name == "out.parquet" else output / "_runs"
    latest = json.loads((runs / "latest.json").read_text())
    assert (latest["run_id"], latest["generation"]) == ("old", 3)
    assert "old" in page.read_text()
    published(handed_scores(data, "newest", 9, 1, 2), "newest", output, report_uri=str(page))
    assert json.loads((runs / "latest.json").read_text())["run_id"] == "newest"


def test_a_page_that_is_none_is_refused_before_anything_is_published(data: Small, tmp_path: Path) -> None:
    scores = handed_scores(data, "a", 1, 1)
    with pytest.raises(OutputError, match=r"report_uri='.*report' is a page: let it end in .html"):
        published(scores, "a", tmp_path / "out.parquet", report_uri=f"{tmp_path}/report")
    assert not (tmp_path / "out.parquet").exists()


def test_where_a_plan_is_given_every_partition_of_it_is_needed(data: Small, tmp_path: Path) -> None:
    scores = handed_scores(data, "a", 1, 1)
    with pytest.raises(GateError, match=r"not published: 1 of 2 planned partitions have no manifest \(p=2"):
        published(scores, "a", tmp_path / "out.parquet", plan=handed_plan("a", 1, 2))
    assert not (tmp_path / "out.parquet").exists()
    assert published(scores, "a", tmp_path / "out.parquet", plan=handed_plan("a", 1))["rows"] == 20


def test_a_file_of_another_program_is_replaced_only_as_a_whole_on_purpose(data: Small, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    pd.DataFrame({"other": [1]}).to_parquet(output)
    scores = handed_scores(data, "a", 1, 1)
    with pytest.raises(OutputError, match="out.parquet"):
        published(scores, "a", output)
    assert list(pd.read_parquet(output)) == ["other"]
    assert published(scores, "a", output, replace_all="True")["added"] == 1
    assert list(pd.read_parquet(output)) == ["p", "id", "prediction"]


def test_what_it_returns_names_the_report_by_its_digest(data: Small, tmp_path: Path) -> None:
    done = unseal(
        "the report",
        published(handed_scores(data, "a", 1, 1), "a", tmp_path / "out.parquet"),
        "publication",
        "d/a",
        {"publish"},
    )
    page = Path(done["report"]).read_bytes()
    assert done["report_digest"] == hashlib.sha256(page).hexdigest()
    assert (done["output"], done["rows"], done["partitions"]) == (f"{tmp_path}/out.parquet", 20, 1)
