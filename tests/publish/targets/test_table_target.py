"""All partitions of a run become one version of a table, in turn, whatever others do to it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from lakes import KINDS, Lake, lake, part_of
from publications import publish, staged
from support import good_rows, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

Scored = dict[int, list[Manifest]]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Partitions 1 and 2 with 20 rows each, with 30, and with none; at 3, partition 3."""
    data = small(tmp_path_factory.mktemp("data"))
    found = {}
    for rows in (20, 30, 0):
        for partition in (1, 2):
            data.add(partition, good_rows(rows, 1000 * partition))
        found[rows] = [manifest for manifest, _ in data.score(1, 2, allow_empty=True)]
    data.add(3, good_rows(5, 3000))
    return {**found, 3: [manifest for manifest, _ in data.score(3)]}


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lake]:
    with lake(request.param, tmp_path / "lake") as made:
        yield made


def _publish(there: Lake, manifests: list[Manifest], generation: int, **options: Any) -> Changes:
    return publish(manifests, there.output, generation, table=there.table, **options).changes


def _meeting(there: Lake, before: Callable[[], object], after: Callable[[], object] = lambda: None) -> Any:
    """The output, which once does something right before its commit, and after it."""
    target = target_of(Location(there.output), there.table)
    steps = [before, after]

    class Meeting(type(target)):  # type: ignore[misc]
        def commit(self, commit: Any) -> str:
            if steps:
                steps.pop(0)()
            version: str = super().commit(commit)
            if steps:
                steps.pop(0)()
            return version

    return Meeting(Location(there.output), there.table)


def _publication(manifests: list[Manifest], generation: int) -> Publication:
    return Publication(f"dag/{generation}", {one.key: generation for one in manifests}, began=1)


def test_a_run_is_one_version_and_the_earlier_ones_stay_readable(scored: Scored, there: Lake) -> None:
    first = _publish(there, scored[20], 10)
    assert (first.added, there.rows(), there.versions()) == (["p=1", "p=2"], {1: 20, 2: 20}, 1)
    files = there.files()
    second = _publish(there, scored[30][:1], 20)
    assert (second.replaced, second.kept) == (["p=1"], ["p=2"])
    assert (there.rows(), there.versions()) == ({1: 30, 2: 20}, 2)
    assert there.files()[2] == files[2], "the partition of another run is not written again"
    assert there.rows(first.version) == {1: 20, 2: 20}
    assert there.rows(second.version) == {1: 30, 2: 20}
    assert there.arrow().select(["id"]).to_pandas()["id"].is_unique


def test_older_scores_never_replace_newer_ones_and_equal_ones_are_left(scored: Scored, there: Lake) -> None:
    _publish(there, scored[20], 10)
    files = there.files()
    again = _publish(there, scored[20], 20)
    assert (again.unchanged, there.files()) == (["p=1", "p=2"], files)
    with pytest.raises(GateError, match=r"newer scores: p=1 by dag/20.*p=2 by dag/20"):
        _publish(there, scored[30], 15)
    assert there.rows() == {1: 20, 2: 20}
    assert _publish(there, scored[30], 15, republish=True).replaced == ["p=1", "p=2"]
    versions = there.versions()
    one = publish(scored[30], there.output, 40, table=there.table, began=5)
    same = publish(scored[30], there.output, 40, table=there.table, began=5)
    assert (one.changes.version, there.versions()) == (same.changes.version, versions + 1), "nothing new, no version"


def test_rows_do_not_disappear_unless_somebody_says_so(scored: Scored, there: Lake) -> None:
    _publish(there, scored[20], 10)
    with pytest.raises(GateError, match=r"no row was scored of p=2 \(20 rows\)"):
        _publish(there, [scored[30][0], scored[0][1]], 20)
    assert there.rows() == {1: 20, 2: 20}
    emptied = _publish(there, [scored[30][0], scored[0][1]], 20, allow_empty=True)
    assert (emptied.replaced, there.rows()) == (["p=1", "p=2"], {1: 30})
    assert _publish(there, [scored[0][1]], 20, allow_empty=True).unchanged == ["p=2"]
    assert _publish(there, scored[20][1:], 30, replace_all=True).dropped == ["p=1"]
    assert there.rows() == {2: 20}


def test_a_run_without_any_row_makes_a_table_without_rows(scored: Scored, there: Lake) -> None:
    assert _publish(there, scored[0], 10, allow_empty=True).added == ["p=1", "p=2"]
    assert (there.rows(), there.versions()) == ({}, 1)
    assert _publish(there, scored[20], 20).replaced == ["p=1", "p=2"]
    assert there.rows() == {1: 20, 2: 20}


def test_what_a_killed_publisher_left_does_not_stop_the_next(scored: Scored, there: Lake) -> None:
    files = (
        "data/batchscore-1.parquet",
        "p=1/batchscore-1.parquet",
        "x=1/.tmp-0123456789ab-1-2-01-batchscore-1.parquet",
    )
    for name in ("_published/1.json", "_runs/d/r/x.html", *files):
        Path(there.output, name).parent.mkdir(parents=True, exist_ok=True)
        Path(there.output, name).write_text("half")
    own = "_delta_log/.tmp" if there.kind == "delta" else "metadata/00000.metadata.json"
    Path(there.output, own).parent.mkdir()
    Path(there.output, own).write_text("half")
    _publish(there, scored[20], 10)
    assert there.rows() == {1: 20, 2: 20}


def test_of_two_runs_that_publish_at_once_neither_loses(scored: Scored, there: Lake) -> None:
    _publish(there, scored[20], 10)
    slow = _meeting(there, lambda: _publish(there, scored[30][1:], 20))
    changes = slow.publish(scored[30][:1], _publication(scored[30][:1], 15))
    assert (changes.replaced, changes.kept, there.rows()) == (["p=1"], ["p=2"], {1: 30, 2: 30})


def test_what_another_program_does_meanwhile_stays(scored: Scored, there: Lake) -> None:
    _publish(there, scored[20], 10)
    slow = _meeting(there, lambda: there.append(_others(there, 3)))
    version = slow.publish(scored[30][:1], _publication(scored[30][:1], 15)).version
    assert there.rows() == there.rows(version) == {1: 30, 2: 20, 3: 1}
    assert there.versions() == 3


def test_two_runs_create_one_table(scored: Scored, there: Lake) -> None:
    slow = _meeting(there, lambda: _publish(there, scored[30][1:], 20))
    assert slow.publish(scored[30][:1], _publication(scored[30][:1], 15)).added == ["p=1"]
    assert there.rows() == {1: 30, 2: 30}


@pytest.mark.parametrize("newer", [30, 20], ids=["other scores", "equal scores"])
def test_who_was_overtaken_before_the_commit_replaces_nothing(scored: Scored, there: Lake, newer: int) -> None:
    _publish(there, scored[20], 10)
    slow = _meeting(there, lambda: _publish(there, scored[newer], 20))
    with pytest.raises(GateError, match="newer scores: p=1 by dag/20"):
        slow.publish([scored[30][0], scored[20][1]], _publication(scored[30], 15))
    assert there.rows() == {1: newer, 2: newer}


def test_a_commit_whose_answer_was_lost_is_found(scored: Scored, there: Lake) -> None:
    def lose() -> None:
        raise ConnectionError("no answer")

    lost = _meeting(there, lambda: None, lose)
    assert lost.publish(scored[20], _publication(scored[20], 10)).version == (
        "0" if there.kind == "delta" else str(there.opened().current_snapshot().snapshot_id)
    )
    assert (there.rows(), there.versions()) == ({1: 20, 2: 20}, 1)
    with pytest.raises(OSError, match="the commit failed: ConnectionError: no answer"):
        _meeting(there, lose).publish(scored[30], _publication(scored[30], 20))
    assert there.rows() == {1: 20, 2: 20}


def test_a_version_that_was_rolled_back_is_published_again_where_a_run_has_it(scored: Scored, there: Lake) -> None:
    first = _publish(there, scored[20], 10)
    _publish(there, scored[30], 20)
    there.roll_back(first.version)
    assert there.rows() == {1: 20, 2: 20}
    with pytest.raises(GateError, match="newer scores: p=1 by dag/20"):
        _publish(there, scored[20], 10)
    assert _publish(there, scored[30][:1], 30).replaced == ["p=1"], "it is no longer there, so it is not unchanged"
    assert there.rows() == {1: 30, 2: 20}


def _others(there: Lake, p: int) -> pa.Table:
    names = {"p": [p], "id": [7], "prediction": [1]}
    return pa.table({name: pa.array(value, pa.int64()) for name, value in names.items()})


def test_rows_that_another_program_adds_stay_until_a_run_has_their_partition(scored: Scored, there: Lake) -> None:
    _publish(there, scored[20], 10)
    there.append(_others(there, 2))
    there.append(_others(there, 3))
    assert _publish(there, scored[30][:1], 20).kept == ["p=2"]
    assert there.rows() == {1: 30, 2: 21, 3: 1}
    assert _publish(there, scored[20][1:], 30).replaced == ["p=2"], "equal scores, but its rows were changed"
    assert there.rows() == {1: 30, 2: 20, 3: 1}
    with pytest.raises(OutputError, match="has rows of p=3 that this package did not publish"):
        _publish(there, scored[3], 40)
    assert _publish(there, scored[20][1:], 40, replace_all=True).dropped == ["p=1", "p=3"]
    assert there.rows() == {2: 20}


def test_a_table_of_another_program_is_used_if_it_is_empty_and_fits(scored: Scored, there: Lake) -> None:
    there.create(_others(there, 1).schema, "p")
    assert _publish(there, scored[20], 10).added == ["p=1", "p=2"]
    assert there.rows() == {1: 20, 2: 20}


def test_the_rows_of_another_program_are_replaced_only_on_purpose(scored: Scored, there: Lake) -> None:
    there.create(_others(there, 1).schema, "p")
    there.append(_others(there, 1))
    with pytest.raises(OutputError, match=r"rows that this package did not publish.*replace_all=True"):
        _publish(there, scored[20], 10)
    assert there.rows() == {1: 1}
    _publish(there, scored[20], 10, replace_all=True)
    assert there.rows() == {1: 20, 2: 20}


def test_a_table_with_other_columns_is_refused(scored: Scored, there: Lake) -> None:
    there.create(pa.schema([("p", pa.int64()), ("id", pa.string()), ("note", pa.string())]), "p")
    with pytest.raises(OutputError, match=r"column id is string .* int64 in this run; .*columns note, which"):
        _publish(there, scored[20], 10)


@pytest.mark.parametrize("by", [[], ["p", "id"]])
def test_a_table_with_other_partitions_is_refused(scored: Scored, there: Lake, by: list[str]) -> None:
    there.create(_others(there, 1).schema, *by)
    with pytest.raises(OutputError, match=rf"is partitioned by {', '.join(by) or 'no column'}, .*partitions are by p"):
        _publish(there, scored[20], 10)


def test_a_table_is_not_created_around_other_files(scored: Scored, there: Lake) -> None:
    publish(scored[20], there.output, 10)
    with pytest.raises(OutputError, match=rf"no {there.kind} table and holds other files, such as p=1/scores.parquet"):
        _publish(there, scored[20], 20)
    with pytest.raises(OutputError, match="a table is a folder; leave out the ending"):
        target_of(Location("/data/scores.parquet"), there.table)
    with pytest.raises(OutputError, match="%, # and . are marks of a URL"):
        target_of(Location("/data/p%41/scores"), there.table)


def test_a_record_that_is_gone_stops_publication(scored: Scored, there: Lake) -> None:
    _publish(there, scored[20], 10)
    for file in Path(there.output).glob("_published/*.json"):
        file.unlink()
    with pytest.raises(OutputError, match="the record of what was published is gone"):
        _publish(there, scored[30], 20)
    _publish(there, scored[30], 20, replace_all=True)
    assert there.rows() == {1: 30, 2: 30}


def test_a_folder_is_not_published_over_a_table(there: Lake, scored: Scored) -> None:
    _publish(there, scored[20], 1)
    with pytest.raises(OutputError, match="holds an? (Delta|Iceberg) table"):
        publish(scored[30], there.output, 2)
    with pytest.raises(OutputError, match="holds an? (Delta|Iceberg) table"):
        target_of(Location(there.output)).published()
    assert there.rows() == {1: 20, 2: 20}


def test_a_dataset_without_a_field_is_a_table_without_partitions(tmp_path: Path, there: Lake) -> None:
    rows = [staged(tmp_path / name, name, part_of(0, n), partition={}, digest=name) for name, n in [("a", 3), ("b", 4)]]
    assert _publish(there, rows[:1], 10).added == [""]
    assert there.arrow().column("id").to_pylist() == [0, 1, 2]
    assert _publish(there, rows[1:], 20).replaced == [""]
    assert there.arrow().column("id").to_pylist() == [0, 1, 2, 3]
    assert _publish(there, rows[1:], 30).unchanged == [""]


def test_a_table_that_another_program_creates_meanwhile_is_read_again(scored: Scored, there: Lake) -> None:
    target = target_of(Location(there.output), there.table)

    class Late(type(target)):  # type: ignore[misc]
        looked = False

        def look(self) -> Any:
            seen = super().look()
            if not self.looked:
                self.looked = True
                there.create(_others(there, 1).schema, "p")
                Path(there.output, "part-0.parquet").touch()
            return seen

    late = Late(Location(there.output), there.table)
    assert late.publish(scored[20], _publication(scored[20], 10)).added == ["p=1", "p=2"]
