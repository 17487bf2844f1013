"""A plan says what a run then does, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lakes import KINDS, lake
from support import Small, good_rows, small, write_csv

from airflow_batchscore import Delta, ModelPolicy, PartitionedDataset, plan_run, score
from airflow_batchscore.api.plan import PlannedRun
from airflow_batchscore.errors import InputError, OutputError
from airflow_batchscore.model.reference import set_alias

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    for partition in (1, 2, 3):
        made.add(partition, good_rows(30, 1000 * partition))
    return made


def _arguments(data: Small, **options: Any) -> dict[str, Any]:
    given = {"model": data.model.uri, "partitions": "1..3", **options}
    return {"dataset": data.dataset, "output_uri": f"{data.folder}/staged", **given}


def _plan(data: Small, **options: Any) -> PlannedRun:
    before = {path: path.stat().st_mtime_ns for path in data.folder.rglob("*")}
    made = plan_run(**_arguments(data, **options))
    assert {path: path.stat().st_mtime_ns for path in data.folder.rglob("*")} == before
    return made


def test_what_would_be_scored_resumed_and_reused(data: Small) -> None:
    ((manifest, _),) = data.score(1)
    ((half, _),) = data.score(2, block_rows=10)
    Path(half.uri).unlink()
    Path(half.folder.uri, half.blocks[0].part).unlink()
    planned = _plan(data, block_rows=10)
    assert [each.doing for each in planned.partitions] == ["reuse", "resume", "score"]
    assert [each.rows for each in planned.partitions] == [30, None, None]
    assert planned.partitions[1].parts_there == len(half.blocks) - 1
    assert {each.model for each in planned.partitions} == {data.model.version}
    assert _plan(data, force=True).counts == {"score": 3}
    assert json.loads(json.dumps(planned.to_dict()))["counts"] == {"reuse": 1, "resume": 1, "score": 1}
    assert manifest.rows == 30


@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out"])
def test_what_publication_would_change(data: Small, output: str) -> None:
    to = f"{data.folder}/{output}"
    assert _plan(data, publish_to=to).counts == {"score": 3, "added": 3, "kept": 0}
    score(**_arguments(data, partitions=[1, 2]), publish_to=to)
    data.add(2, good_rows(31, 5000))
    planned = _plan(data, publish_to=to, partitions=[2, 3])
    assert [each.change for each in planned.partitions] == ["replaced", "added"]
    assert planned.kept == ["p=1"]
    assert [each.change for each in _plan(data, publish_to=to).partitions] == ["unchanged", "replaced", "added"]
    run = score(**_arguments(data), publish_to=to)
    assert (run.published.unchanged, run.published.replaced, run.published.added) == (1, 1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_publication_to_a_table_would_change(data: Small, kind: str, tmp_path_factory: Any) -> None:
    with lake(kind, tmp_path_factory.mktemp("lake")) as there:
        to = {"publish_to": there.output, "table": there.table}
        assert _plan(data, **to).counts == {"score": 3, "added": 3, "kept": 0}
        run = score(**_arguments(data, partitions=[1, 2]), **to)
        assert there.rows() == {1: 30, 2: 30}
        version = run.published.version
        data.add(2, good_rows(31, 5000))
        planned = _plan(data, **to, partitions=[2, 3])
        assert [each.change for each in planned.partitions] == ["replaced", "added"]
        assert planned.kept == ["p=1"]
        score(**_arguments(data), **to)
        assert _plan(data, **to).counts == {"reuse": 3, "unchanged": 3, "kept": 0}
        there.roll_back(version)
        assert [each.change for each in _plan(data, **to).partitions] == ["unchanged", "replaced", "replaced"]
        rows, says = there.rows(), rf"(?i)holds an? {kind} table, .*table={kind}\(.*--table {kind}"
        with pytest.raises(OutputError, match=says):
            _plan(data, publish_to=there.output)
        with pytest.raises(OutputError, match=says):
            score(**_arguments(data), publish_to=there.output)
        assert there.rows() == rows


def test_what_would_fail_is_in_the_plan_of_the_others(data: Small) -> None:
    data.add(2, good_rows(3), header=("id", "a", "c", "label"))
    (data.folder / "part_3.csv").write_text("")
    planned = _plan(data, publish_to=f"{data.folder}/out", function="support:no_such_function", model=None)
    assert planned.counts["fails"] == 3
    assert "no_such_function" in planned.partitions[0].why
    assert planned.partitions[0].change is None


def test_models_by_partition_and_by_column(data: Small) -> None:
    for name in ("1", "2"):
        (data.folder / "models").mkdir(exist_ok=True)
        (data.folder / f"models/{name}").symlink_to(data.folder / "model")
    set_alias(f"{data.folder}/model", "champion", data.model, 1)
    name = f"{data.folder}/models/{{p}}@champion"
    planned = _plan(data, model=name, model_policy=ModelPolicy(missing="skip"))
    assert [each.doing for each in planned.partitions] == ["score", "score", "skip"]
    assert planned.partitions[2].why == "missing, skipped"
    planned = _plan(data, model=name.replace("{p}", "{b}"), model_policy=ModelPolicy(missing="skip"))
    assert planned.partitions[0].model == "one of 2 by b"


def test_a_plan_tells_of_rows_that_no_bucket_is_for(data: Small) -> None:
    path = write_csv(data.folder / "games.csv", [(f"1.{n:03}.000", n / 4, n, 0) for n in range(10)])
    games = PartitionedDataset(str(path), partition_by="id % 2")
    planned = plan_run(games, data.model.uri, "0..1", output_uri=f"{data.folder}/staged")
    (told,) = planned.to_dict()["notices"]
    assert "10 of the first 10 rows" in told
    assert not _plan(data).notices


def test_a_plan_for_the_wrong_place_is_refused(data: Small) -> None:
    with pytest.raises(OutputError, match="it fits the dataset"):
        _plan(data, publish_to=f"{data.folder}/part_1.csv")
    with pytest.raises(OutputError, match="is the same folder"):
        _plan(data, publish_to=f"{data.folder}/staged")
    with pytest.raises(InputError, match=r"table=Delta\(\): nothing is published; add publish_to="):
        _plan(data, table=Delta())
    wrong: Any = "delta"
    with pytest.raises(InputError, match=r"table='delta': give Delta\(\) or Iceberg"):
        _plan(data, publish_to=f"{data.folder}/out", table=wrong)
    with pytest.raises(InputError, match="no file for partition p=9"):
        _plan(data, partitions=[9])
