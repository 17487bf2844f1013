"""A folder on a disk: all partitions of a publication become visible in one step."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from publications import ids, publish
from support import Small, good_rows, small

from airflow_batchscore.data.storage import local_files
from airflow_batchscore.errors import OutputError
from airflow_batchscore.publish.targets import local_folder
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

PARTITIONS = (1, 2, 3)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Manifest]]:
    """All partitions with 20 rows each, and with 30."""
    data = small(tmp_path_factory.mktemp("data"))
    return {rows: _score(data, rows) for rows in (20, 30)}


def _score(data: Small, rows: int) -> list[Manifest]:
    for partition in PARTITIONS:
        data.add(partition, good_rows(rows, 1000 * partition))
    return [manifest for manifest, _ in data.score(*PARTITIONS)]


def _sizes_at_one_moment(folder: Path) -> set[int]:
    """Rows of each partition's file, of one version of the folder: through a descriptor, which an exchange leaves."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        place = Path(f"/proc/self/fd/{descriptor}")
        return {pq.read_metadata(place / f"p={p}" / "scores.parquet").num_rows for p in PARTITIONS}
    finally:
        os.close(descriptor)


def test_a_reader_never_sees_half_a_publication(scored: dict[int, list[Manifest]], tmp_path: Path) -> None:
    output = tmp_path / "out"
    publish(scored[20], output)
    seen: list[set[int]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                seen.append(_sizes_at_one_moment(output))
            except FileNotFoundError:  # the old tree was removed while it was read
                continue

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for round_ in range(10):
            publish(scored[30 if round_ % 2 == 0 else 20], output)
    finally:
        stop.set()
        reader.join()
    assert seen
    assert all(sizes in ({20}, {30}) for sizes in seen), seen


def test_files_that_are_not_replaced_stay_the_same_files(scored: dict[int, list[Manifest]], tmp_path: Path) -> None:
    output = tmp_path / "out"
    publish(scored[20], output)
    (output / "p=9").mkdir()
    (output / "p=9" / "theirs.parquet").write_bytes((output / "p=3" / "scores.parquet").read_bytes())
    (output / "_SUCCESS").touch()
    (output / "linked").symlink_to("p=9")
    output.chmod(0o750)
    kept = [output / "p=3" / "scores.parquet", output / "p=9" / "theirs.parquet", output / "_SUCCESS"]
    before = [path.stat().st_ino for path in kept]
    done = publish(scored[30][:2], output)
    assert (done.changes.replaced, done.changes.kept) == (["p=1", "p=2"], ["p=3"])
    assert [path.stat().st_ino for path in kept] == before
    assert (output / "linked").readlink() == Path("p=9")
    assert output.stat().st_mode & 0o777 == 0o750
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".tmp")] == []


def test_a_file_system_that_cannot_exchange_gets_partitions_one_by_one(
    scored: dict[int, list[Manifest]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(22, "Invalid argument")

    output = tmp_path / "out"
    publish(scored[20], output)
    monkeypatch.setattr(local_folder, "_exchange", refuse)
    publish(scored[30], output)
    assert "cannot replace the folder as a whole" in caplog.text
    assert {p: len(rows) for p, rows in ids(output).items()} == {"1": 30, "2": 30, "3": 30}


def test_a_folder_behind_a_link_is_exchanged_and_the_link_stays(
    scored: dict[int, list[Manifest]], tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    publish(scored[20], tmp_path / "out")
    publish(scored[30], tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert len(pd.read_parquet(tmp_path / "out")) == 90


def test_partitions_with_other_fields_are_not_published_beside_these(
    scored: dict[int, list[Manifest]], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    publish(scored[20], output)
    finer = [replace(one, partition={**one.partition, "month": "1"}) for one in scored[20]]
    with pytest.raises(OutputError, match=r"holds p=1, a partition by p, .* by p, month. A reader .* another folder"):
        publish(finer, output)
    assert sorted(str(file.relative_to(output)) for file in output.glob("p=*/**/*.parquet")) == [
        f"p={p}/scores.parquet" for p in PARTITIONS
    ]
    publish(finer, tmp_path / "finer")
    with pytest.raises(OutputError, match="holds p=1/month=1, a partition by p, month, and this run's .* are by p"):
        publish(scored[20], tmp_path / "finer")


def test_a_file_of_another_program_is_not_replaced_and_a_damaged_one_is(
    scored: dict[int, list[Manifest]], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    publish(scored[20], output)
    place = output / "p=1" / "scores.parquet"
    place.write_bytes(place.read_bytes()[:-20] + b"x" * 16 + b"PAR1")
    assert publish(scored[20], output).changes.added == ["p=1"]
    pq.write_table(pq.read_table(place, partitioning=None).replace_schema_metadata(None), place)
    with pytest.raises(OutputError, match="scores.parquet was not published by this package. Move it away"):
        publish(scored[30], output)


def test_replace_all_is_for_files(scored: dict[int, list[Manifest]], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="replace_all=True is for a single file"):
        publish(scored[20], tmp_path / "out", replace_all=True)
    with pytest.raises(OutputError, match="field_types= is for an output with a column per partition field"):
        publish(scored[20], tmp_path / "out", field_types={"p": "string"})


def test_trees_of_killed_publishers_are_swept(scored: dict[int, list[Manifest]], tmp_path: Path) -> None:

    left = tmp_path / f".tmp-{local_files._writer(1).rsplit('-', 2)[0]}-999999-1-0123abcd-out"
    (left / "tree" / "p=1").mkdir(parents=True)
    publish(scored[20], tmp_path / "out")
    assert not left.exists()
