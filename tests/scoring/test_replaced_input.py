"""An input that is replaced while it is used, and put back: scores are of the bytes that their identity names."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from s3_server import s3_client, s3_options
from support import Small, scores, small, write_csv

from airflow_batchscore import LocalDask, PartitionedDataset
from airflow_batchscore.data.storage import credentials
from airflow_batchscore.errors import InputChangedError, InputError
from airflow_batchscore.scoring.partition import score_partitions

pytestmark = pytest.mark.unit

ROWS = 400

#: What the recipe does at a given call, in this process: the engine's workers are threads.
acts: dict[int, Callable[[], object]] = {}
calls: list[int] = []
#: Held during an act: a slow upload is not overtaken by the one that follows it.
in_order = threading.Lock()


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """An honest recipe, during whose calls the world changes."""
    with in_order:
        calls.append(len(calls))
        acts.pop(len(calls), lambda: None)()
    return frame[["a", "b"]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return small(tmp_path_factory.mktemp("trained"), features=features, columns=["a", "b"])


@pytest.fixture
def data(trained: Small, tmp_path: Path) -> Iterator[Small]:
    made = trained.copied(tmp_path / "d")
    acts.clear()
    calls.clear()
    yield made
    acts.clear()


def _rows(offset: int) -> list[tuple[int, float, int, int]]:
    """Two versions of the same rows: same ids, other values, the same number of bytes."""
    return [(10_000 + n, (n + offset) % 7, (n + 3 * offset) % 5, 0) for n in range(ROWS)]


def _write(path: Path, offset: int, group: int = 50) -> Path:
    write_csv(path.with_suffix(".csv"), _rows(offset))
    if path.suffix == ".parquet":
        pd.read_csv(path.with_suffix(".csv")).to_parquet(path, row_group_size=group)
    if path.name.endswith(".gz"):
        pd.read_csv(path.with_suffix(".csv")).to_csv(path, index=False)
    return path


def _do_the_rest() -> None:
    """What the scoring that was stopped did not come to."""
    with in_order:
        for call in sorted(acts):
            acts.pop(call)()


def _score(data: Small, dataset: PartitionedDataset, **options: Any) -> Any:
    job = data.job(dataset=dataset, block_rows=40, **options)
    ((manifest, _),) = score_partitions(job, [{"p": "1"}], LocalDask(workers=1))
    return manifest


def _expected(data: Small, path: Path) -> list[int]:
    from airflow_batchscore.model import artifact

    frame = pd.read_csv(path)
    return list(artifact.load(data.model).estimator.predict(frame[["a", "b"]]))


@pytest.fixture(params=["csv", "csv.gz", "parquet", "parquet of one row group"])
def file(request: pytest.FixtureRequest, data: Small) -> Path:
    """The file of partition 1, in the formats that are read in different ways."""
    suffix, _, one = request.param.partition(" of ")
    return _write(data.folder / f"part_1.{suffix}", 0, group=ROWS if one else 50)


def _dataset(file: Path) -> PartitionedDataset:
    return PartitionedDataset(f"{file.parent}/part_{{p}}.{file.name.partition('.')[2]}")


def _other(file: Path) -> Path:
    """Another content of as many rows, beside the file."""
    other = file.parent / "other" / file.name
    other.parent.mkdir(exist_ok=True)
    one = file.suffix == ".parquet" and pq.read_metadata(file).num_row_groups == 1
    return _write(other, 2, group=ROWS if one else 50)


def _swap_and_put_back(file: Path) -> None:
    """From the first call of the recipe to the fourth another file lies there."""
    other, kept = _other(file), file.with_name("kept")
    shutil.copy2(file, kept)

    def replace() -> None:
        os.replace(other, file)

    def put_back() -> None:
        os.replace(kept, file)

    acts.update({1: replace, 4: put_back})


def test_a_file_that_is_replaced_while_it_is_scored_and_put_back(data: Small, file: Path) -> None:
    dataset = _dataset(file)
    truth = data.folder / "truth.csv"
    write_csv(truth, _rows(0))
    expected = _expected(data, truth)
    calls.clear()
    _swap_and_put_back(file)
    with pytest.raises(InputChangedError, match=r"part_1\S* changed"):
        _score(data, dataset)
    _do_the_rest()
    assert scores(_score(data, dataset))["prediction"].tolist() == expected, "and no part of other bytes was kept"


def test_a_file_that_is_replaced_while_it_is_scored(data: Small, file: Path) -> None:
    acts[1] = lambda: os.replace(_other(file), file)
    with pytest.raises(InputChangedError, match=r"part_1\S* changed"):
        _score(data, _dataset(file))
    acts.clear()
    truth = data.folder / "truth.csv"
    write_csv(truth, _rows(2))
    assert scores(_score(data, _dataset(file)))["prediction"].tolist() == _expected(data, truth)


def test_an_edit_in_place_whose_time_was_put_back(data: Small, file: Path) -> None:
    before = file.stat()
    raw = _other(file).read_bytes()
    # The same size, so that neither it nor the time tells.
    raw = (raw + file.read_bytes()[len(raw) :])[: before.st_size]

    def edit() -> None:
        with file.open("r+b") as opened:
            opened.write(raw)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)

    acts[1] = edit
    with pytest.raises(InputChangedError, match=r"part_1\S* changed since this task first looked at it"):
        _score(data, _dataset(file))
    assert not list(data.folder.glob("staged/*/*/manifests/*.json"))


def test_a_file_that_shrank_or_went_is_named(data: Small) -> None:
    file = _write(data.folder / "part_1.csv", 0)
    raw = file.read_bytes()
    before = file.stat()

    def shrink() -> None:
        os.truncate(file, len(raw) // 2)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    acts[1] = shrink
    with pytest.raises(InputChangedError, match=rf"part_1.csv changed .*{len(raw)} bytes.*now {len(raw) // 2} bytes"):
        _score(data, _dataset(file))
    file.write_bytes(raw)
    calls.clear()
    acts[2] = file.unlink
    with pytest.raises(InputChangedError, match="part_1.csv is gone since this task first looked at it"):
        _score(data, _dataset(file))


def test_parts_of_an_attempt_before_a_swap_count_only_for_their_bytes(data: Small) -> None:
    file = _write(data.folder / "part_1.csv", 0)
    dataset = _dataset(file)
    other, kept = _other(file), file.with_name("kept")
    shutil.copy2(file, kept)
    first = _expected(data, kept)
    calls.clear()
    acts[4] = lambda: os.replace(other, file)
    with pytest.raises(InputChangedError):
        _score(data, dataset)
    second = _score(data, dataset)
    assert second.rows_this_attempt == ROWS, "the parts of the first attempt are of other bytes"
    assert scores(second)["prediction"].tolist() == _expected(data, file)
    os.replace(kept, file)
    assert scores(_score(data, dataset))["prediction"].tolist() == first


def test_a_file_that_was_deleted_after_the_plan_is_missed(data: Small) -> None:
    for name in "xyz":
        _write(data.folder / f"day_1/{name}.csv", 0)
    dataset = PartitionedDataset(f"{data.folder}/day_{{p}}/*.csv")
    (data.folder / "day_1/y.csv").unlink()
    with pytest.raises(InputError, match=r"p=1 had 3 files when it was planned, now 2 are there .*plan again"):
        _score(data, dataset, files={"p=1": 3})
    assert _score(data, dataset, files={"p=1": 2}).account.rows_read == 2 * ROWS


@pytest.fixture
def bucket(moto: str) -> Iterator[Any]:
    credentials.register("test", s3_options(moto))
    yield s3_client(moto)
    credentials.forget("test")


@pytest.mark.service
@pytest.mark.parametrize(("suffix", "group"), [("csv", 0), ("parquet", 50), ("parquet", ROWS)])
def test_an_object_that_is_replaced_while_it_is_scored_and_put_back(
    data: Small, bucket: Any, suffix: str, group: int
) -> None:
    def put(path: Path) -> None:
        bucket.upload_file(str(path), "tennis", f"in/part_1.{suffix}")

    file = _write(data.folder / f"part_1.{suffix}", 0, group)
    other = _write(data.folder / f"other/part_1.{suffix}", 2, group)
    put(file)
    time.sleep(1.1)  # a store's times are whole seconds
    dataset = PartitionedDataset(f"s3://tennis/in/part_{{p}}.{suffix}", conn_id="test")
    acts.update({2: lambda: put(other), 5: lambda: put(file)})
    calls.clear()
    with pytest.raises(
        InputChangedError, match=rf"s3://tennis/in/part_1.{suffix} changed since this task first looked"
    ):
        _score(data, dataset)
    _do_the_rest()
    found = scores(_score(data, dataset))["prediction"].tolist()
    assert found == _expected(data, data.folder / "part_1.csv")
