from __future__ import annotations

import threading
from pathlib import Path

import pytest

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, OutputError

pytestmark = pytest.mark.unit


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    uri = str(tmp_path / "new" / "x.json")
    storage.write_json(Location(uri), {"a": 1})
    assert storage.read_json(Location(uri)) == {"a": 1}
    with pytest.raises(RuntimeError), storage.atomic_file(Location(uri)) as path:
        path.write_text("half")
        raise RuntimeError
    assert storage.read_json(Location(uri)) == {"a": 1}
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["x.json"]


@pytest.mark.slow
def test_a_reader_never_sees_a_half_written_file(tmp_path: Path) -> None:
    uri = str(tmp_path / "x")
    storage.write_bytes(Location(uri), b"0" * 500_000)
    seen: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            data = storage.read_bytes(Location(uri))
            seen.add(len(data) * len(set(data)))

    reader = threading.Thread(target=look)
    reader.start()
    for n in range(60):
        storage.write_bytes(Location(uri), str(n % 10).encode() * 500_000)
    stop.set()
    reader.join()
    assert seen == {500_000}


def test_a_folder_that_is_a_file_cannot_be_written_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*/file/x"):
        storage.write_bytes(Location(str(tmp_path / "file" / "x")), b"")


def test_json_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("{half")
    with pytest.raises(InputError, match="is not JSON"):
        storage.read_json(Location(str(tmp_path / "x")))
    (tmp_path / "x").write_text("[]")
    with pytest.raises(InputError, match="holds list"):
        storage.read_json(Location(str(tmp_path / "x")))
    assert storage.read_json(Location(str(tmp_path / "none"))) is None


def test_a_name_that_no_disk_takes_is_refused_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        storage.write_bytes(Location(str(tmp_path / ("x" * 300) / "y")), b"")
