from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from support import Small, good_rows, scores, small

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    for partition in (1, 2, 10):
        made.add(partition, good_rows(100 + partition, 1000 * partition))
    return made


def _scored(data: Small, *partitions: int, **options: Any) -> list[Manifest]:
    return [manifest for manifest, _ in data.score(*(partitions or (1, 2, 10)), block_rows=40, **options)]


def _expected(manifests: list[Manifest]) -> pd.DataFrame:
    frames = [scores(manifest).assign(p=int(manifest.partition["p"])) for manifest in manifests]
    return pd.concat(frames, ignore_index=True)[["p", "id", "prediction"]]


def _state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What readers see."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in files
        if not any(name.startswith(("_", ".")) for name in path.relative_to(folder).parts)
    }


def test_one_parquet_file_has_all_rows_in_order_with_the_partition_in_front(data: Small, tmp_path: Path) -> None:
    manifests = _scored(data)
    published = combine(manifests, Location(f"{tmp_path}/out.parquet"))
    assert (published.rows, published.partitions, published.changes.unchanged) == (313, 3, [])
    assert published.changes.added == ["p=1", "p=2", "p=10"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), _expected(manifests))


def test_one_csv_file_has_the_same_rows(data: Small, tmp_path: Path) -> None:
    manifests = _scored(data)
    combine(manifests, Location(f"{tmp_path}/out.csv"))
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out.csv"), _expected(manifests))


@pytest.mark.parametrize("name", ["out.csv.gz", "out.parquet.zst", "out.PARQUET", "out.orc", "out.jsonl"])
def test_a_file_of_a_kind_that_is_not_written_is_no_folder(data: Small, tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"one file ends in .parquet .* or .csv, and .* Nothing was published"):
        combine(_scored(data, 1), Location(f"{tmp_path}/{name}"))
    assert not (tmp_path / name).exists()


def test_published_again_nothing_is_touched(data: Small, tmp_path: Path) -> None:
    for output in (tmp_path / "o1" / "out.parquet", tmp_path / "o3" / "out.csv", tmp_path / "o2"):
        manifests = _scored(data)
        combine(manifests, Location(str(output)))
        folder = output.parent if output.suffix else output
        before = _state(folder)
        assert combine(manifests, Location(str(output))).changes.unchanged == ["p=1", "p=2", "p=10"]
        assert _state(folder) == before


def test_a_folder_is_hive_partitioned_and_a_partition_replaced_alone(data: Small, tmp_path: Path) -> None:
    out = tmp_path / "out"
    combine(_scored(data), Location(str(out)))
    found = pd.read_parquet(out)
    assert found.groupby("p", observed=True).size().to_dict() == {1: 101, 2: 102, 10: 110}
    before = _state(out)
    data.add(2, good_rows(7, 5000))
    assert combine(_scored(data, 2), Location(str(out))).changes.unchanged == []
    after = _state(out)
    assert {path for path in before if before[path] != after[path]} == {str(out / "p=2" / "scores.parquet")}
    assert pq.read_table(out / "p=2" / "scores.parquet", partitioning=None)["id"].to_pylist() == list(range(5000, 5007))


def test_a_lost_row_stops_publication_and_leaves_the_old_file(data: Small, tmp_path: Path) -> None:
    manifests = _scored(data)
    out = tmp_path / "out.parquet"
    combine(manifests[:1], Location(str(out)))
    before = out.read_bytes()
    part = Path(manifests[1].folder.uri) / manifests[1].blocks[0].part
    pq.write_table(pq.read_table(part).slice(1), part)
    with pytest.raises(GateError, match=r"p=2: .*is damaged \(its footer is not the one that scoring wrote"):
        combine(manifests, Location(str(out)))
    assert out.read_bytes() == before
    with pytest.raises(GateError, match="p=2"):
        combine(manifests, Location(str(tmp_path / "folder")))
    assert not list((tmp_path / "folder").rglob("*.parquet"))


def test_partitions_with_other_columns_are_refused(data: Small, tmp_path: Path) -> None:
    manifests = [*_scored(data, 1), *_scored(data, 2, method="predict_proba")]
    with pytest.raises(OutputError, match="partition p=2 has the columns .* partition p=1 has"):
        combine(manifests, Location(f"{tmp_path}/out.parquet"))


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out"])
def test_a_column_called_like_a_partition_field_is_refused(data: Small, tmp_path: Path, name: str) -> None:
    data.add(3, [(1, 2, 3, 4)], header=("p", "a", "b", "label"))
    with pytest.raises(OutputError, match="not published: p is the name of a partition field and of a column"):
        combine(_scored(data, 3, keys=("p",)), Location(f"{tmp_path}/{name}"))
    assert not (tmp_path / name).exists()
    renamed = PartitionedDataset(f"{tmp_path}/part_{{number}}.csv")  # as the message advises
    job = data.job(dataset=renamed, keys=("p",))
    ((manifest, _),) = score_partitions(job, [{"number": "3"}], LocalDask(workers=2))
    combine([manifest], Location(f"{tmp_path}/{name}"))
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    assert sorted(read(tmp_path / name).columns) == ["number", "p", "prediction"]


def test_scores_are_not_published_where_they_are_staged(data: Small, tmp_path: Path) -> None:
    manifests = _scored(data)
    before = _state(tmp_path)
    for output in ("staged", "."):
        with pytest.raises(OutputError, match="scores are staged in"):
            combine(manifests, Location(f"{tmp_path}/{output}"))
    assert _state(tmp_path) == before


def test_nothing_to_publish_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="no scored partition"):
        combine([], Location(f"{tmp_path}/out.parquet"))


def test_the_same_partition_twice_is_refused(data: Small, tmp_path: Path) -> None:
    manifests = _scored(data, 1, 2)
    with pytest.raises(GateError, match="several manifests of p=2"):
        combine([*manifests, manifests[1]], Location(f"{tmp_path}/out.parquet"))
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("output", ["out.parquet", "out"])
def test_rows_that_may_have_moved_to_another_partition_are_warned_of(
    data: Small, tmp_path: Path, output: str, caplog: pytest.LogCaptureFixture
) -> None:
    def published(by: str, *partitions: str, **options: Any) -> str:
        dataset = PartitionedDataset(str(tmp_path / "part_1.csv"), partition_by=by)
        values = [{dataset.fields[0]: value} for value in partitions]
        found = score_partitions(data.job(dataset=dataset), values, LocalDask(workers=2))
        caplog.clear()
        combine([one for one, _ in found], Location(f"{tmp_path}/{by[:2]}{output}"), Publication(**options))
        return " ".join(record.message for record in caplog.records if record.levelname == "WARNING")

    assert published("b", "1", "2") == ""
    assert "keeps 1 partition that this run did not score: b=1." in published("b", "2", "3")
    assert published("id % 3", "0", "1") == ""
    assert published("id % 3", "2") == "", "a run of all has each of these"
    if output == "out.parquet":
        assert published("b", "2", replace_all=True) == ""
