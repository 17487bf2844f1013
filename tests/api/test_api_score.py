"""A run by hand is a run: the same scores, committed once, audited from storage, published in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from operator_calls import planned, scored
from support import Small, good_rows, newest_summary, small, write_csv

from airflow_batchscore import LocalDask, PartitionedDataset, combine, runs, score
from airflow_batchscore.errors import GateError, InputError, ModelError, OutputError
from airflow_batchscore.scoring.tally import Count

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    for partition in (1, 2):
        made.add(partition, good_rows(30, 1000 * partition))
    return made


def _score(data: Small, partitions: object = "1..2", **options: Any) -> Any:
    given = {"output_uri": f"{data.folder}/staged", "engine": LocalDask(workers=2), **options}
    return score(data.dataset, given.pop("model", data.model.uri), partitions, **given)


def test_a_run_scores_audits_and_publishes(data: Small) -> None:
    counts: list[Count] = []
    run = _score(data, publish_to=f"{data.folder}/out.parquet", progress=counts.append)
    assert run.account.astuple() == (60, 60, 0, 0)
    assert run.reused == {"p=1": False, "p=2": False}
    assert (counts[-1].blocks, counts[-1].account.rows_read) == (2, 60)
    published = pd.read_parquet(data.folder / "out.parquet")
    plain = pd.concat([data.plain(p).assign(p=p) for p in (1, 2)], ignore_index=True)[["p", "id", "prediction"]]
    pd.testing.assert_frame_equal(published, plain, check_dtype=False)
    pd.testing.assert_frame_equal(run.frame(), plain.astype({"p": str}), check_dtype=False)
    assert run.published is not None
    assert run.published.added == 2
    summary = newest_summary(data.folder)
    assert summary["run"]["dag_id"] == "by-hand"
    assert all(check["problem"] is None for check in summary["passed"]["checks"])
    assert json.loads(Path(run.verdict).read_text())["passed"]
    assert json.loads(json.dumps(run.to_dict()))["published"]["added"] == 2

    again = _score(data, publish_to=f"{data.folder}/out.parquet")
    assert again.reused == {"p=1": True, "p=2": True}
    assert again.published.unchanged == 2
    assert _score(data, force=True).reused == {"p=1": False, "p=2": False}


def test_what_has_no_value_has_none_in_a_frame_as_in_what_is_published(data: Small) -> None:
    path = write_csv(data.folder / "games.csv", [("" if n % 5 == 0 else n, n / 4, n, 0) for n in range(20)])
    games = PartitionedDataset(str(path), partition_by="id % 2")
    out = f"{data.folder}/out.parquet"
    run = score(games, data.model.uri, output_uri=f"{data.folder}/staged", keys=["a"], publish_to=out)
    fields, published = run.frame()["id_mod_2"], pd.read_parquet(out)["id_mod_2"]
    assert fields.isna().sum() == published.isna().sum() == 4
    assert set(fields.dropna()) == {"0", "1"}
    assert "4 of the first 20 rows" in run.audit.notices[0], "and it is told that they are many"


def test_by_hand_and_in_airflow_reuse_each_others_scores(data: Small) -> None:
    _score(data, [1])
    returned = [scored(data, entry, "r") for entry in planned(data, "r", 1, 2)]
    assert [each["reused"] for task in returned for each in task["manifests"]] == [True, False]
    assert _score(data).reused == {"p=1": True, "p=2": True}


def test_the_folder_of_staged_scores_is_no_output(data: Small) -> None:
    for output in ("staged", "."):
        with pytest.raises(OutputError, match="scores are staged in"):
            _score(data, publish_to=f"{data.folder}/{output}")
    assert not (data.folder / "staged").exists()


def test_a_gate_that_fails_publishes_nothing(data: Small) -> None:
    data.add(2, [*good_rows(5), (9, "x", 1, 0)])
    out = data.folder / "out.parquet"
    with pytest.raises(GateError, match="1 row in quarantine, 0 allowed"):
        _score(data, publish_to=str(out))
    assert not out.exists()
    (trace,) = runs(f"{data.folder}/staged")
    assert (trace.passed, len(trace.problems)) == (False, 1)
    run = _score(data, max_quarantined=1)
    assert run.account.rows_quarantined == 1
    assert combine(run, str(out)).rows == 35


def test_scores_that_were_removed_since_are_not_published(data: Small) -> None:
    run = _score(data)
    Path(run.manifests[0].uri).unlink()
    with pytest.raises(GateError, match="is gone"):
        combine(run, f"{data.folder}/out.parquet")


def plus(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"sum": frame["a"] + frame["b"]}, index=frame.index)


def a_twice(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"a": rows["a"].astype(float) * 2})


def test_a_function_instead_of_a_model(data: Small) -> None:
    run = _score(data, [1], model=None, function="test_api_score:plus", keys=["id"])
    assert run.frame()["sum"].tolist() == [a + b for _, a, b, _ in good_rows(30)]


def test_a_column_named_like_a_field_makes_no_frame_and_no_output(data: Small) -> None:
    path = write_csv(data.folder / "v.csv", [(n, n % 3, n, 0) for n in range(6)])
    dataset = PartitionedDataset(str(path), partition_by="a")
    output = f"{data.folder}/staged"
    run = score(dataset, function="test_api_score:a_twice", keys=["id"], output_uri=output, engine=LocalDask(workers=1))
    said = "a is the name of a partition field and of a column of the scores"
    with pytest.raises(OutputError, match=f"^there is no frame: {said}"):
        run.frame()
    with pytest.raises(OutputError, match=f"^not published: {said}"):
        combine(run, f"{data.folder}/out.parquet")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"model": None}, InputError, "give model='<uri>@<alias>', or function='module:name'"),
        ({"function": "test_api_score:plus"}, InputError, "function= replaces the model"),
        ({"partitions": [7]}, InputError, "no file for partition p=7"),
        ({"way": "predict"}, InputError, "there is no option way; there are method.*, max_quarantined,"),
        (
            {"max_quarantine": 1},
            InputError,
            r"no option max_quarantine; did you mean max_quarantined\? There are method",
        ),
        ({"method": "guess"}, ModelError, "method='guess' is unknown"),
        ({"quarantine": -1}, Exception, "quarantine=-1: give a count"),
        ({"output_uri": "s3://b/x", "conn_id": "nowhere"}, InputError, "nowhere"),
        ({"engine": 4}, InputError, "engine=4: its class must derive"),
        ({"publish_to": "x.xlsx"}, OutputError, "one file ends in .parquet"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(
    data: Small, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        _score(data, **{"partitions": "1..2", **options})


def test_a_display_that_fails_does_not_end_the_work(data: Small, caplog: pytest.LogCaptureFixture) -> None:
    run = _score(data, progress=lambda count: 1 / 0)
    assert run.account.rows_scored == 60
    assert caplog.text.count("progress= raised, and is not called again") == 1
