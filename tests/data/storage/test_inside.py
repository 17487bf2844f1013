"""Files are read from the folder that they really lie in."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from airflow_batchscore.data.storage import Location
from airflow_batchscore.data.storage.inside import read_inside
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted-not").mkdir()
    (tmp_path / "trusted-not" / "theirs").write_bytes(b"theirs")
    (tmp_path / "trusted" / "ours").write_bytes(b"ours")
    return tmp_path / "trusted"


def test_a_link_in_the_folder_is_followed_and_one_out_of_it_is_not(folder: Path) -> None:
    (folder / "inner").symlink_to(folder / "ours")
    (folder / "outer").symlink_to(folder.parent / "trusted-not" / "theirs")
    (folder / "around").symlink_to(folder.parent / "trusted-not")
    for spelled in (f"{folder}/inner", f"file://{folder}/ours"):
        assert read_inside(Location(spelled), [f"{folder}/"]) == b"ours"
    for name in ("outer", "around/theirs"):
        with pytest.raises(InputError, match=f"{name} is a link, or lies behind one, to .*trusted-not/theirs, outside"):
            read_inside(Location(f"{folder}/{name}"), [str(folder)])
    with pytest.raises(FileNotFoundError):
        read_inside(Location(f"{folder}/none"), [str(folder)])


def test_one_folder_of_each_list_must_hold_the_file(folder: Path) -> None:
    above, beside = str(folder.parent), str(folder.parent / "trusted-not")
    assert read_inside(Location(f"{folder}/ours"), [beside, str(folder)], [above]) == b"ours"
    with pytest.raises(InputError, match="outside of .*trusted-not"):
        read_inside(Location(f"{folder}/ours"), [str(folder)], [beside])


def test_a_link_that_is_swapped_while_it_is_read_never_gives_what_lies_outside(folder: Path) -> None:
    """What counts is the file that was opened, not what its name leads to later."""
    name, spare, stop = folder / "swapped", folder / "spare", threading.Event()
    name.symlink_to(folder / "ours")

    def swap() -> None:
        targets = [folder / "ours", folder.parent / "trusted-not" / "theirs"]
        while not stop.is_set():
            targets.reverse()
            spare.symlink_to(targets[0])
            os.replace(spare, name)

    swapping = threading.Thread(target=swap)
    swapping.start()
    found = []
    try:
        for _ in range(2_000):
            try:
                found.append(read_inside(Location(str(name)), [str(folder)]))
            except InputError:
                found.append(None)
    finally:
        stop.set()
        swapping.join()
    assert set(found) <= {b"ours", None}
